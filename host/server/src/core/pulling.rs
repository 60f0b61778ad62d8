//! Pulls: by strategy (held until there is work), by view, and by id.
//!
//! A strategy's submitters are asked by priority, each within its own limit and the strategy's, and
//! only those a router's cluster may pull. Held pulls are looked at once at the end of a burst of
//! inputs, and only where something they wait for has changed; first come, first served. A view that is pulled by its
//! name is on nobody's account: limits and clusters are of submitters and strategies.
//!
//! What the account of the server does not see, or what is not configured, is not in its [`Settings`]. A pull that
//! needs it is refused (guide, *Interaction Server Error Messages*):
//!
//! | what is not there, or wrong                                  | a pull by strategy | a pull by view |
//! | ------------------------------------------------------------ | ------------------ | -------------- |
//! | the strategy                                                 | 107                |                |
//! | the strategy is disabled                                     | 109                |                |
//! | its submitters, or all are for other clusters                | 108                |                |
//! | the view, or the views of all those submitters               | 108                | 42             |
//! | the queue of the view, or of the only views that are there   | 83                 | 83             |
//! | the condition or order of the view, or of all that are there | 83                 | 83             |
//!
//! 42 is about a view that the request itself names. A strategy with one view that can be used is served.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jackfield_protocol::limits::{FRAME_BYTES, PULL_COUNT};
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request_pull::What;
use jackfield_protocol::v1::{
    ClientType, Event, EventPulledInteractions, Interaction, PulledInteraction, RequestCancelPull, RequestPull,
    StrategyStatus,
};
use jackfield_protocol::{ErrorCode, RequestError};
use prost::Message;

use super::holding::Holder;
use super::timers::{Timer, TimerKey, Timers};
use super::{Answered, ClientId, Core, Output, Reply, acknowledge, checks};
use crate::server::Warning;
use crate::settings::Settings;
use crate::store::Entry;
use crate::view::Views;

/// Bytes of interactions one pull answers with: the rest waits for the next one. One interaction is
/// always given, whatever its size.
const PULL_BYTES: usize = FRAME_BYTES / 2;
/// Pulls one client may have held at once.
const HELD_PULLS: usize = 1_024;

/// Strategy and submitter whose limits an interaction counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    strategy: usize,
    submitter: usize,
}

#[derive(Debug)]
pub(super) struct Strategies {
    all: Vec<Strategy>,
    by_name: HashMap<String, usize>,
    /// Strategies with a view over a queue. Every configured queue is in it.
    by_queue: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Strategy {
    name: Arc<str>,
    enabled: bool,
    limit: Limit,
    /// Their places never change: accounts name them.
    submitters: Vec<Submitter>,
    /// The first is served first.
    order: Vec<usize>,
    held: VecDeque<HeldPull>,
    /// Something its held pulls wait for may have changed.
    stale: bool,
    /// Whether the passing of time alone may give it work.
    has_conditions: bool,
}

#[derive(Debug)]
struct Submitter {
    name: String,
    view: String,
    limit: Limit,
    cluster: Option<String>,
}

/// Interactions with routers at once.
#[derive(Debug)]
struct Limit {
    /// 0: none.
    most: u32,
    out: u32,
}

impl Limit {
    fn new(most: u32) -> Limit {
        Limit { most, out: 0 }
    }

    fn room(&self) -> usize {
        match self.most {
            0 => usize::MAX,
            most => usize::try_from(most.saturating_sub(self.out)).unwrap_or(usize::MAX),
        }
    }
}

#[derive(Clone, Debug)]
struct HeldPull {
    client: ClientId,
    reference_id: u64,
    count: usize,
    ignore_hold: bool,
    timer: TimerKey,
}

/// An interaction that was taken from its queue for a pull, and how.
struct Taken {
    entry: Entry,
    view: String,
    submitter: String,
    account: Option<Account>,
}

impl Strategies {
    pub(super) fn new(settings: &Settings, views: &Views, warnings: &mut Vec<Warning>) -> Strategies {
        let mut by_queue: HashMap<String, Vec<usize>> =
            settings.queues.iter().map(|queue| (queue.name.clone(), Vec::new())).collect();
        let mut all: Vec<Strategy> = Vec::new();
        let mut by_name = HashMap::new();
        for strategy in &settings.strategies {
            let mut joined: Vec<_> =
                settings.submitters.iter().filter(|submitter| submitter.strategy == strategy.name).collect();
            // Stable: equal priorities keep the order of the configuration.
            joined.sort_by_key(|submitter| std::cmp::Reverse(submitter.priority));
            for submitter in &joined {
                match views.queue_of(&submitter.view) {
                    // Of a queue that is not there, the view says so.
                    Some(queue) => by_queue.get_mut(queue).into_iter().for_each(|of| of.push(all.len())),
                    None => warnings.push(Warning::SubmitterWithoutView {
                        submitter: submitter.name.clone(),
                        view: submitter.view.clone(),
                    }),
                }
            }
            let has_conditions = joined.iter().any(|submitter| {
                settings.views.iter().any(|view| view.name == submitter.view && !view.condition.trim().is_empty())
            });
            by_name.insert(strategy.name.clone(), all.len());
            all.push(Strategy {
                name: strategy.name.as_str().into(),
                enabled: strategy.enabled,
                limit: Limit::new(strategy.max_interactions),
                order: (0..joined.len()).collect(),
                submitters: joined
                    .into_iter()
                    .map(|submitter| Submitter {
                        name: submitter.name.clone(),
                        view: submitter.view.clone(),
                        limit: Limit::new(submitter.max_interactions),
                        cluster: submitter.cluster_id.clone(),
                    })
                    .collect(),
                held: VecDeque::new(),
                stale: false,
                has_conditions,
            });
        }
        for submitter in &settings.submitters {
            if !by_name.contains_key(&submitter.strategy) {
                warnings.push(Warning::SubmitterWithoutStrategy {
                    submitter: submitter.name.clone(),
                    strategy: submitter.strategy.clone(),
                });
            }
        }
        for strategies in by_queue.values_mut() {
            strategies.dedup();
        }
        Strategies { all, by_name, by_queue }
    }

    /// What may change while a server runs: whether strategies are enabled, and what submitters and limits say.
    pub(super) fn change(&mut self, settings: &Settings) {
        for strategy in &mut self.all {
            if let Some(said) = settings.strategies.iter().find(|said| *said.name == *strategy.name) {
                strategy.enabled = said.enabled;
                strategy.limit.most = said.max_interactions;
            }
            let said = |name: &str| settings.submitters.iter().find(|said| said.name == name);
            for submitter in &mut strategy.submitters {
                if let Some(said) = said(&submitter.name) {
                    submitter.limit.most = said.max_interactions;
                    submitter.cluster.clone_from(&said.cluster_id);
                }
            }
            let priority = |at: &usize| {
                strategy.submitters.get(*at).and_then(|submitter| said(&submitter.name)).map_or(0, |said| said.priority)
            };
            let mut order: Vec<usize> = (0..strategy.submitters.len()).collect();
            order.sort_by_key(|at| std::cmp::Reverse(priority(at)));
            strategy.order = order;
            // Held pulls may find what was out of their reach.
            strategy.stale = true;
        }
    }

    pub(super) fn knows_queue(&self, queue: &str) -> bool {
        self.by_queue.contains_key(queue)
    }

    /// Something came to a queue, or may be taken from it again.
    pub(super) fn queue_changed(&mut self, queue: &str) {
        for index in self.by_queue.get(queue).into_iter().flatten() {
            if let Some(strategy) = self.all.get_mut(*index) {
                strategy.stale = true;
            }
        }
    }

    pub(super) fn check_views(&mut self) {
        for strategy in &mut self.all {
            strategy.stale |= strategy.has_conditions;
        }
    }

    pub(super) fn charge(&mut self, account: Option<Account>) {
        self.change_out(account, |limit| limit.out += 1);
    }

    /// Room becomes free: a held pull may have waited for it.
    pub(super) fn credit(&mut self, account: Option<Account>) {
        self.change_out(account, |limit| limit.out = limit.out.saturating_sub(1));
        if let Some(strategy) = account.and_then(|account| self.all.get_mut(account.strategy)) {
            strategy.stale = true;
        }
    }

    fn change_out(&mut self, account: Option<Account>, change: impl Fn(&mut Limit)) {
        let Some(account) = account else { return };
        let Some(strategy) = self.all.get_mut(account.strategy) else { return };
        change(&mut strategy.limit);
        if let Some(submitter) = strategy.submitters.get_mut(account.submitter) {
            change(&mut submitter.limit);
        }
    }

    pub(super) fn forget_pulls(&mut self, client: ClientId, timers: &mut Timers) {
        for strategy in &mut self.all {
            strategy.held.retain(|pull| {
                let stays = pull.client != client;
                if !stays {
                    timers.cancel(pull.timer);
                }
                stays
            });
        }
    }

    fn held_by(&self, client: ClientId) -> impl Iterator<Item = (usize, u64)> {
        self.all.iter().enumerate().flat_map(move |(index, strategy)| {
            strategy.held.iter().filter(move |pull| pull.client == client).map(move |pull| (index, pull.reference_id))
        })
    }

    pub(super) fn statuses(&self) -> Vec<StrategyStatus> {
        self.all
            .iter()
            .map(|strategy| StrategyStatus {
                strategy: strategy.name.to_string(),
                enabled: strategy.enabled,
                held_pulls: strategy.held.len() as u64,
                out: strategy.limit.out.into(),
                views: strategy.submitters.iter().map(|submitter| submitter.view.clone()).collect(),
            })
            .collect()
    }

    /// What a router of this cluster may pull from, in the order in which it is asked.
    fn visible(&self, strategy: usize, cluster: &str) -> impl Iterator<Item = (usize, &Submitter)> {
        self.all
            .get(strategy)
            .into_iter()
            .flat_map(|strategy| strategy.order.iter().filter_map(|at| Some((*at, strategy.submitters.get(*at)?))))
            .filter(move |(_, submitter)| submitter.cluster.as_deref().is_none_or(|of| of == cluster))
    }
}

impl Core {
    pub(super) fn pull(&mut self, client: ClientId, reference_id: u64, request: RequestPull) -> Answered {
        if request.count > PULL_COUNT {
            return Err(ErrorCode::BadRequest
                .with(format!("the pull asks for {} interactions, at most {PULL_COUNT} are allowed", request.count)));
        }
        let count = usize::try_from(request.count.max(1)).unwrap_or(1);
        let client_type = self.client_type(client);
        self.permit(client, client_type != ClientType::ReportingEngine, "pull interactions")?;
        match request.what {
            Some(What::Strategy(strategy)) => {
                let permitted = matches!(client_type, ClientType::RoutingEngine | ClientType::Proxy);
                self.permit(client, permitted, "pull for a strategy")?;
                self.hold_pull(client, reference_id, &strategy, count, request.ignore_hold, request.max_delay_ms)
            }
            Some(What::View(view)) => {
                checks::optional_name("the strategy", &request.for_strategy)?;
                let holder = self.puller(client, &request.for_strategy)?;
                let Core { views, keeping, now, .. } = self;
                // Taking nothing asks whether the view is good.
                let count = if keeping.pulls_wait() { 0 } else { count };
                let taken = views.take(&view, count, request.ignore_hold, now.wall, &|id| keeping.is_kept(id))?;
                let taken = taken
                    .into_iter()
                    .map(|entry| Taken { entry, view: view.clone(), submitter: String::new(), account: None })
                    .collect();
                self.hand_over(taken, &holder).map(pulled)
            }
            Some(What::ByIds(by_ids)) => {
                if by_ids.interaction_ids.len() > usize::try_from(PULL_COUNT).unwrap_or(usize::MAX) {
                    return Err(ErrorCode::BadRequest.with(format!("more than {PULL_COUNT} interaction ids")));
                }
                let holder = self.puller(client, "")?;
                let whom = self.whom(client);
                let mut taken = Vec::new();
                for id in &by_ids.interaction_ids {
                    let waits = self.views.get(id).or_else(|| self.workbins.get(id));
                    let may_be_taken = waits.is_some_and(|entry| {
                        !entry.is_locked && (request.ignore_hold || !entry.is_held) && self.keeping.lets_take(&whom, id)
                    });
                    if may_be_taken && let Some(entry) = self.views.remove(id).or_else(|| self.workbins.remove(id)) {
                        taken.push(Taken { entry, view: String::new(), submitter: String::new(), account: None });
                    }
                }
                self.hand_over(taken, &holder).map(pulled)
            }
            None => Err(ErrorCode::BadRequest.with("the pull names neither a strategy, nor a view, nor ids")),
        }
    }

    /// Who holds what this client pulls; a router says for which strategy, where it does not say it by the pull itself.
    fn puller(&self, client: ClientId, strategy: &str) -> Result<Holder, RequestError> {
        match self.client_type(client) {
            ClientType::AgentApplication => Ok(Holder::Agent { client, agent: self.agent_of(client)? }),
            _ => Ok(Holder::Router { client, strategy: (!strategy.is_empty()).then(|| strategy.into()) }),
        }
    }

    fn hold_pull(
        &mut self,
        client: ClientId,
        reference_id: u64,
        name: &str,
        count: usize,
        ignore_hold: bool,
        max_delay_ms: u32,
    ) -> Answered {
        let Some(&index) = self.strategies.by_name.get(name) else {
            return Err(ErrorCode::StrategyDoesNotExist.with(format!("there is no strategy `{name}` on this server")));
        };
        let cluster = self.registration(client).map(|registration| registration.cluster.clone());
        self.check_views_of(index, name, &cluster.unwrap_or_default())?;
        if self.strategies.held_by(client).any(|(_, held)| held == reference_id) {
            return Err(ErrorCode::BadRequest.with(format!("a pull with reference id {reference_id} is held already")));
        }
        if self.strategies.held_by(client).count() >= HELD_PULLS {
            return Err(ErrorCode::TooManyRequests.with(format!("{HELD_PULLS} pulls of this client are held already")));
        }
        let cap = checks::millis(self.settings.timers.max_pull_delay);
        let delay = match max_delay_ms {
            0 => cap,
            own => u64::from(own).min(cap),
        };
        let timer = self.timers.set(self.now.ticks + delay, Timer::Pull(index, client, reference_id));
        if let Some(strategy) = self.strategies.all.get_mut(index) {
            strategy.held.push_back(HeldPull { client, reference_id, count, ignore_hold, timer });
            strategy.stale = true;
        }
        Ok(Reply::Later)
    }

    /// Refuses a pull that cannot be served by any of the strategy's views.
    fn check_views_of(&mut self, index: usize, name: &str, cluster: &str) -> Result<(), RequestError> {
        if self.strategies.all.get(index).is_some_and(|strategy| !strategy.enabled) {
            return Err(ErrorCode::StrategyIsDisabled.with(format!("the strategy `{name}` is disabled")));
        }
        let mut refusal = ErrorCode::StrategyHasNoViews.with(match cluster {
            "" => format!("no submitter joins a view to the strategy `{name}` for routers of no cluster"),
            _ => format!("no submitter joins a view to the strategy `{name}` for routers of cluster `{cluster}`"),
        });
        for (_, submitter) in self.strategies.visible(index, cluster) {
            // Taking nothing asks whether the view is good.
            match self.views.take(&submitter.view, 0, false, self.now.wall, &|_| false) {
                Ok(_) => return Ok(()),
                // A submitter of a view that is not there joins none.
                Err(error) if error.known() == Some(ErrorCode::UnknownView) => {}
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Held pulls of strategies that are disabled now are refused, as a new one would be.
    pub(super) fn end_pulls_of_disabled(&mut self) {
        for index in 0..self.strategies.all.len() {
            let Some(strategy) = self.strategies.all.get_mut(index).filter(|strategy| !strategy.enabled) else {
                continue;
            };
            let refusal = ErrorCode::StrategyIsDisabled.with(format!("the strategy `{}` is disabled", strategy.name));
            for pull in std::mem::take(&mut strategy.held) {
                self.timers.cancel(pull.timer);
                self.reply(pull.client, pull.reference_id, Err(refusal.clone()));
            }
        }
    }

    /// Ends a held pull: answered with nothing.
    pub(super) fn end_held_pull(&mut self, strategy: usize, client: ClientId, reference_id: u64) {
        let Some(strategy) = self.strategies.all.get_mut(strategy) else { return };
        let Some(place) =
            strategy.held.iter().position(|pull| pull.client == client && pull.reference_id == reference_id)
        else {
            return;
        };
        if let Some(pull) = strategy.held.remove(place) {
            self.timers.cancel(pull.timer);
            self.answer_pull(&pull, Vec::new());
        }
    }

    pub(super) fn cancel_pull(&mut self, client: ClientId, request: RequestCancelPull) -> Answered {
        let reference_id = request.pull_reference_id;
        let held = self.strategies.held_by(client).find(|(_, held)| *held == reference_id);
        if let Some((strategy, _)) = held {
            self.end_held_pull(strategy, client, reference_id);
        }
        acknowledge()
    }

    fn answer_pull(&mut self, pull: &HeldPull, interactions: Vec<PulledInteraction>) {
        let message = EventMessage::PulledInteractions(EventPulledInteractions { interactions });
        let event = Event { reference_id: pull.reference_id, message: Some(message) };
        self.outbox.outputs.push(Output::Event(pull.client, event));
    }

    /// Answers every held pull there is work for.
    pub(super) fn serve_held_pulls(&mut self) {
        if self.keeping.pulls_wait() {
            return;
        }
        for index in 0..self.strategies.all.len() {
            let Some(strategy) = self.strategies.all.get_mut(index) else { return };
            if !std::mem::take(&mut strategy.stale) || strategy.held.is_empty() {
                continue;
            }
            self.serve_strategy(index);
        }
    }

    fn serve_strategy(&mut self, index: usize) {
        // What was found to be empty for one pull is empty for the next of its kind.
        let mut empty_for: Vec<(String, bool)> = Vec::new();
        let Some(strategy) = self.strategies.all.get_mut(index) else { return };
        let name = strategy.name.clone();
        let mut still_held = VecDeque::new();
        let mut pulls = std::mem::take(&mut strategy.held);
        while let Some(pull) = pulls.pop_front() {
            let cluster = self.registration(pull.client).map(|registration| registration.cluster.clone());
            let kind = (cluster.unwrap_or_default(), pull.ignore_hold);
            if empty_for.contains(&kind) {
                still_held.push_back(pull);
                continue;
            }
            let taken = self.take_for(index, &pull, &kind.0);
            if taken.is_empty() {
                empty_for.push(kind);
                still_held.push_back(pull);
                continue;
            }
            self.timers.cancel(pull.timer);
            let holder = Holder::Router { client: pull.client, strategy: Some(name.clone()) };
            match self.hand_over(taken, &holder) {
                Ok(interactions) => self.answer_pull(&pull, interactions),
                Err(error) => {
                    let message = Some(EventMessage::Error(error.into()));
                    let event = Event { reference_id: pull.reference_id, message };
                    self.outbox.outputs.push(Output::Event(pull.client, event));
                }
            }
        }
        if let Some(strategy) = self.strategies.all.get_mut(index) {
            strategy.held = still_held;
        }
    }

    /// What a pull gets, by submitter priority and within the limits.
    fn take_for(&mut self, index: usize, pull: &HeldPull, cluster: &str) -> Vec<Taken> {
        let mut taken: Vec<Taken> = Vec::new();
        let Core { strategies, views, keeping, now, .. } = self;
        let room = strategies.all.get(index).map_or(0, |strategy| strategy.limit.room()).min(pull.count);
        for (number, submitter) in strategies.visible(index, cluster) {
            let limit = (room - taken.len()).min(submitter.limit.room());
            if limit == 0 {
                continue;
            }
            match views.take(&submitter.view, limit, pull.ignore_hold, now.wall, &|id| keeping.is_kept(id)) {
                Ok(entries) => taken.extend(entries.into_iter().map(|entry| Taken {
                    entry,
                    view: submitter.view.clone(),
                    submitter: submitter.name.clone(),
                    account: Some(Account { strategy: index, submitter: number }),
                })),
                // A bad view was said when it was loaded; the strategy's other views go on.
                Err(error) => tracing::debug!(view = submitter.view, %error, "a view is passed over"),
            }
        }
        taken
    }

    /// Gives what was taken to its holder. What does not fit into one answer goes back.
    fn hand_over(&mut self, mut taken: Vec<Taken>, holder: &Holder) -> Result<Vec<PulledInteraction>, RequestError> {
        let ids: Vec<&str> = taken.iter().map(|taken| taken.entry.key.id.as_str()).collect();
        let bodies = match self.interactions(&ids) {
            Ok(mut bodies) => {
                if matches!(holder, Holder::Router { .. }) {
                    self.tell_last_agents(bodies.iter_mut());
                }
                bodies
            }
            Err(error) => {
                taken.drain(..).for_each(|taken| self.rest(taken.entry));
                return Err(error);
            }
        };
        let mut bodies: HashMap<String, Interaction> =
            bodies.into_iter().map(|interaction| (interaction.interaction_id.clone(), interaction)).collect();
        let mut pulled = Vec::with_capacity(taken.len());
        let mut bytes = 0;
        for Taken { entry, view, submitter, account } in taken {
            let Some(mut interaction) = bodies.remove(&entry.key.id) else { continue };
            bytes += interaction.encoded_len();
            if bytes > PULL_BYTES && !pulled.is_empty() {
                self.rest(entry);
                continue;
            }
            let id = entry.key.id.clone();
            let patience = match holder {
                Holder::Agent { .. } => self.handling_patience(&interaction),
                _ => self.routing_patience(),
            };
            entry.apply_to(&mut interaction);
            self.take(entry, holder.clone(), account, patience);
            self.show_holder(&id, &mut interaction);
            pulled.push(PulledInteraction { interaction: Some(interaction), view, submitter });
        }
        Ok(pulled)
    }
}

fn pulled(interactions: Vec<PulledInteraction>) -> Reply {
    Reply::Now(EventMessage::PulledInteractions(EventPulledInteractions { interactions }))
}
