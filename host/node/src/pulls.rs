//! Who asks the pull scheduler: one task for the node, which passes each permitted pull to its link.
//!
//! Everybody else reports to the scheduler through [`Pulls`], whose lock is held for moments only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jackfield_plugins::Plugins;
use jackfield_strategy::Plugin;
use tokio::sync::{Notify, mpsc, watch};

use crate::pulling::{Pull, PullScheduler};
use crate::settings::StrategySettings;

/// How often a plugin that may not be used is asked for again: the end of its rest is not told.
const PLUGIN_CHECK: Duration = Duration::from_millis(500);

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
/// because what is pulled has one pull at a time.
pub(crate) async fn run(
    pulls: Arc<Pulls>,
    links: Vec<mpsc::Sender<Pull>>,
    strategies: Vec<StrategySettings>,
    plugins: Arc<Plugins>,
    mut health: Option<watch::Receiver<Option<String>>>,
) {
    let mut held = false;
    let mut changes = plugins.changes();
    changes.mark_changed();
    // What each strategy's new sessions get, and when to ask again for those that may not begin.
    let (mut current, mut check): (Vec<Option<Plugin>>, _) = (Vec::new(), None);
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
        let asked_at = tokio::time::Instant::now();
        if changes.has_changed().unwrap_or(false) || check.is_some_and(|check| check <= asked_at) {
            changes.mark_unchanged();
            current = strategies.iter().map(|strategy| plugins.get(&strategy.plugin)).collect();
            check = Some(asked_at + PLUGIN_CHECK).filter(|_| current.iter().any(Option::is_none));
        }
        for (index, (strategy, plugin)) in strategies.iter().zip(&current).enumerate() {
            let present = plugin.is_some();
            {
                let mut scheduler = pulls.lock();
                scheduler.set_plugin(index, present);
                scheduler.set_misbehaves(index, plugin.as_ref().is_some_and(|plugin| plugin.misbehaves()));
                scheduler.set_plugin_max(index, plugin.as_ref().and_then(|plugin| plugin.policy().max_sessions));
            }
            let Some(warned) = warned.get_mut(index) else { continue };
            if !present && !*warned {
                tracing::warn!(
                    strategy = strategy.name,
                    plugin = strategy.plugin,
                    "no version of the plugin may be used: its interactions are not pulled; `jackfield plugins` says why"
                );
            } else if present && *warned {
                tracing::info!(strategy = strategy.name, plugin = strategy.plugin, "the plugin may be used now");
            }
            *warned = !present;
        }
        let wake_at = loop {
            // tokio's clock, so that tests can stop it.
            let now = tokio::time::Instant::now().into_std();
            let next = {
                let mut scheduler = pulls.lock();
                scheduler.next(now).ok_or_else(|| scheduler.wake_at(now))
            };
            match next {
                Err(wake_at) => break wake_at,
                Ok(pull) => {
                    let sent = links.get(pull.source.link).map(|link| link.try_send(pull));
                    if !matches!(sent, Some(Ok(()))) {
                        pulls.lock().failed(pull.id, now, "the link takes no pulls", false, 1.0);
                    }
                }
            }
        };
        let wake_at = [wake_at, check.map(tokio::time::Instant::into_std)].into_iter().flatten().min();
        tokio::select! {
            biased;
            () = pulls.changed.notified() => {}
            // It lives as long as the plugins, which this holds.
            _ = changes.changed() => {}
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
