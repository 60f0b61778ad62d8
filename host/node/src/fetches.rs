//! HTTP requests of the sessions of one link: they need no link, so nothing about them waits for one.
//!
//! One has its outcome when the server answered, when its time is over, or when it cannot be asked. When the
//! node goes down before that, those that may be repeated are asked again at the next start with the same key;
//! whether the others happened nobody knows, and that is what their sessions are told.

use std::collections::HashMap;
use std::sync::Arc;

use jackfield_strategy::Request;
use jackfield_strategy::contract::{Failure, HttpRequest, HttpResponse, Outcome};
use tokio::task::{Id, JoinSet};

use crate::failures::HostError;
use crate::link::LinkTask;
use crate::requests::request_key;

/// Those under way. They end with it.
#[derive(Default)]
pub(crate) struct Fetches {
    tasks: JoinSet<Result<HttpResponse, Failure>>,
    of: HashMap<Id, (Arc<str>, u64)>,
}

/// What one of them came to.
pub(crate) type Fetched = (Arc<str>, u64, Result<HttpResponse, Failure>);

impl Fetches {
    /// Waits for the next one to end; for ever when there is none. Cancel-safe.
    pub async fn next(&mut self) -> Fetched {
        loop {
            let (id, answer) = match self.tasks.join_next_with_id().await {
                Some(Ok(ended)) => ended,
                Some(Err(broken)) => {
                    (broken.id(), Err(HostError::HttpFailed.with(format!("inside the node: {broken}"))))
                }
                None => std::future::pending().await,
            };
            if let Some((session, request)) = self.of.remove(&id) {
                return (session, request, answer);
            }
        }
    }
}

impl LinkTask {
    /// Asks an HTTP server.
    pub(crate) fn fetch(&mut self, session: &Arc<str>, request: u64, what: HttpRequest) {
        let Some(running) = self.sessions.get(session) else { return };
        let (shared, policy) = (self.shared.clone(), running.card.plugin().policy());
        let key = request_key(session, request, "");
        let task = self.fetches.tasks.spawn(async move { shared.http.fetch(&policy.http_hosts, what, &key).await });
        self.fetches.of.insert(task.id(), (session.clone(), request));
    }

    /// One has ended.
    pub(crate) fn fetched(&mut self, (session, request, answer): Fetched) {
        let Some(running) = self.sessions.get_mut(&session) else { return };
        match answer {
            Ok(response) => running.done(request, Outcome::HttpResponse(response)),
            Err(failure) => running.failed(request, failure),
        }
        self.settle(&session);
    }

    /// What a session had asked for before this node started, and nobody knows the outcome of.
    pub(crate) fn fetch_again(&mut self, session: &Arc<str>) {
        let Some(running) = self.sessions.get(session) else { return };
        for request in running.card.waiting(|request| matches!(request, Request::Fetch(_))) {
            let Some(running) = self.sessions.get_mut(session) else { return };
            let Some(Request::Fetch(what)) = running.card.pending(request).map(|pending| pending.request) else {
                continue;
            };
            if what.method.may_be_repeated() {
                self.fetch(session, request, what);
            } else {
                let description = format!(
                    "the node went down before there was an answer; whether the server did this {} is not known",
                    what.method.name()
                );
                running.failed(request, HostError::OutcomeUnknown.with(description));
            }
        }
    }
}
