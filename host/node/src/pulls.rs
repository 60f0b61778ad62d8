//! Who asks the pull scheduler: one task for the node, which passes each permitted pull to its link.
//!
//! Everybody else reports to the scheduler through [`Pulls`], whose lock is held for moments only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jackfield_strategy::Plugins;
use tokio::sync::{Notify, mpsc, watch};

use crate::pulling::{Pull, PullScheduler};
use crate::settings::StrategySettings;

/// How often a plugin that is missing is looked for.
const PLUGIN_CHECK: Duration = Duration::from_secs(2);

/// The scheduler, shared.
#[derive(Debug)]
pub(crate) struct Pulls {
    scheduler: Mutex<PullScheduler>,
    changed: Notify,
}

impl Pulls {
    pub fn new(scheduler: PullScheduler) -> Pulls {
        Pulls { scheduler: Mutex::new(scheduler), changed: Notify::new() }
    }

    /// Look at it; nothing changes.
    pub fn look<T>(&self, look: impl FnOnce(&PullScheduler) -> T) -> T {
        look(&self.lock())
    }

    /// Tell it something; the task then sees what may be pulled.
    pub fn tell<T>(&self, tell: impl FnOnce(&mut PullScheduler) -> T) -> T {
        let answer = tell(&mut self.lock());
        self.changed.notify_one();
        answer
    }

    fn lock(&self) -> MutexGuard<'_, PullScheduler> {
        // Nothing in the scheduler panics half-way through a change.
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until it is dropped. `links` takes each link's pulls, by index; there is room for all of them,
/// because a (link, strategy) has one pull at a time.
pub(crate) async fn run(
    pulls: Arc<Pulls>,
    links: Vec<mpsc::Sender<Pull>>,
    strategies: Vec<StrategySettings>,
    plugins: Arc<Plugins>,
    mut health: Option<watch::Receiver<Option<String>>>,
) {
    let mut held = false;
    let mut warned = vec![false; strategies.len()];
    loop {
        if let Some(health) = &mut health {
            let is_ill = health.borrow_and_update().is_some();
            if std::mem::replace(&mut held, is_ill) != is_ill {
                pulls.lock().hold(is_ill);
                if is_ill {
                    tracing::error!("the journal does not record: nothing is pulled until it does");
                } else {
                    tracing::info!("the journal records again");
                }
            }
        }
        let mut missing = false;
        for (index, strategy) in strategies.iter().enumerate() {
            let plugin = plugins.get(&strategy.plugin);
            let present = plugin.is_some();
            missing |= !present;
            {
                let mut scheduler = pulls.lock();
                scheduler.set_plugin(index, present);
                scheduler.set_misbehaves(index, plugin.as_ref().is_some_and(|plugin| plugin.misbehaves()));
                scheduler.set_plugin_max(index, plugin.and_then(|plugin| plugin.policy().max_sessions));
            }
            let Some(warned) = warned.get_mut(index) else { continue };
            if !present && !*warned {
                tracing::warn!(
                    strategy = strategy.name,
                    plugin = strategy.plugin,
                    "the plugin is not in the plugins folder: its interactions are not pulled until it is put there"
                );
            } else if present && *warned {
                tracing::info!(strategy = strategy.name, plugin = strategy.plugin, "the plugin is there now");
            }
            *warned = !present;
        }
        let wake_at = loop {
            // tokio's clock, so that tests can stop it.
            let now = tokio::time::Instant::now().into_std();
            let next = {
                let mut scheduler = pulls.lock();
                scheduler.next(now).ok_or_else(|| scheduler.wake_at())
            };
            match next {
                Err(wake_at) => break wake_at,
                Ok(pull) => {
                    let sent = links.get(pull.link).map(|link| link.try_send(pull));
                    if !matches!(sent, Some(Ok(()))) {
                        pulls.lock().failed(pull.id, now, "the link takes no pulls", false, 1.0);
                    }
                }
            }
        };
        let check = missing.then(|| tokio::time::Instant::now().into_std() + PLUGIN_CHECK);
        let wake_at = [wake_at, check].into_iter().flatten().min();
        tokio::select! {
            biased;
            () = pulls.changed.notified() => {}
            () = sleep_until(wake_at) => {}
            () = changed(&mut health) => {}
        }
    }
}

/// The journal's health has changed.
async fn changed(health: &mut Option<watch::Receiver<Option<String>>>) {
    if let Some(health) = health
        && health.changed().await.is_ok()
    {
        return;
    }
    // There is none, or it was closed and says nothing more.
    std::future::pending().await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
