//! What time brings: ends of waits and exclusions, priorities that grow, wider targets, and another look at what hangs
//! on thresholds.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asked::{LinkId, Output, RouteId};
use super::submits::{Route, State};
use super::{LaneKey, Selection};

/// How often what hangs on a threshold is looked at: its statistic changes without anything that is heard of here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) type TimerKey = (Instant, u64);

#[derive(Debug)]
pub(super) enum Timer {
    Deadline(RouteId),
    /// Its priority grows.
    Grows(RouteId),
    /// Its targets are wider from now on.
    Widens(RouteId),
    ExclusionEnds(LinkId, Arc<str>),
    LookAgain(LaneKey),
}

impl Selection {
    /// When [`tick`](Selection::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.keys().next().map(|(at, _)| *at)
    }

    /// Does what was to be done by now. Whoever may find somebody now is looked at in the order in which they are served,
    /// however their moments fell; only then what has waited long enough ends.
    pub fn tick(&mut self, now: Instant) {
        let (mut again, mut over) = (Vec::new(), Vec::new());
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Timer::Deadline(route) => over.push(route),
                Timer::Grows(route) => self.grow(now, route),
                Timer::Widens(route) => {
                    self.widen(now, route);
                    again.push(route);
                }
                Timer::ExclusionEnds(link, interaction) => {
                    again.extend(self.exclusion_ends(now, (link, interaction)));
                }
                Timer::LookAgain(key) => {
                    self.look_again.remove(&key);
                    let lane = self.lanes.get(&key);
                    again.extend(lane.map(|lane| lane.in_line(true)).unwrap_or_default());
                    if lane.is_some_and(|lane| lane.have_thresholds()) {
                        self.look_again(now, &key);
                    }
                }
            }
        }
        again.sort_by_key(|route| (self.routes.get(route).map(|route| route.line), *route));
        again.dedup();
        for route in again {
            self.place(now, route);
        }
        for route in over {
            self.time_out(route);
        }
    }

    pub(super) fn start_timer(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.sequence += 1;
        self.timers.insert((at, self.sequence), timer);
        (at, self.sequence)
    }

    /// What waits there hangs on a threshold.
    pub(super) fn look_again(&mut self, now: Instant, key: &LaneKey) {
        if self.look_again.insert(key.clone()) {
            self.start_timer(now + LOOK_AGAIN, Timer::LookAgain(key.clone()));
        }
    }

    pub(super) fn time_out_if_due(&mut self, now: Instant, id: RouteId) {
        if self.routes.get(&id).and_then(|route| route.deadline).is_some_and(|(at, _)| at <= now) {
            self.time_out(id);
        }
    }

    fn time_out(&mut self, id: RouteId) {
        let Some(Route { state: State::Waiting, clear_on_timeout, lane, targets, .. }) = self.routes.get(&id) else {
            return;
        };
        let (clear, nobody_logged_in) = (*clear_on_timeout, self.nobody_logged_in(lane.0, targets));
        if let Some(forgotten) = self.forget(id) {
            if clear {
                self.carried.remove(&forgotten.interaction);
            } else {
                self.carried.insert(forgotten.interaction, forgotten.targets.given().to_vec());
            }
        }
        self.outputs.push_back(Output::TimedOut { route: id, nobody_logged_in });
    }

    fn grow(&mut self, now: Instant, id: RouteId) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        let Some(grows) = &mut route.grows else { return };
        let (priority, next) = grows.priority(now);
        let line = (Reverse(priority), route.line.1, route.line.2);
        if matches!(route.state, State::Waiting)
            && let Some(lane) = self.lanes.get_mut(&route.lane)
        {
            lane.move_in_line(route.pool, route.line, line, id);
        }
        route.line = line;
        // Started beside `start_timer`: the route is still in hand.
        self.sequence += 1;
        grows.timer = next.map(|at| (at, self.sequence));
        if let Some(key) = grows.timer {
            self.timers.insert(key, Timer::Grows(id));
        }
    }

    fn widen(&mut self, now: Instant, id: RouteId) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        let Some((_, targets)) = route.later.pop_front() else { return };
        let next = route.later.front().map(|(at, _)| *at);
        route.targets = targets.clone();
        let (key, line, pool) = (route.lane.clone(), route.line, route.pool);
        let waits = matches!(route.state, State::Waiting);
        let widens = next.map(|at| self.start_timer(at, Timer::Widens(id)));
        let pool = if waits {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.take(pool, line, id);
            }
            self.wait(now, &key, &targets, line, id)
        } else {
            pool
        };
        if let Some(route) = self.routes.get_mut(&id) {
            (route.widens, route.pool) = (widens, pool);
        }
    }

    fn exclusion_ends(&mut self, now: Instant, key: (LinkId, Arc<str>)) -> Option<RouteId> {
        if let Some(excluded) = self.excluded.get_mut(&key) {
            excluded.retain(|(_, until)| *until > now);
            if excluded.is_empty() {
                self.excluded.remove(&key);
            }
        }
        self.by_interaction.get(&key).copied()
    }
}
