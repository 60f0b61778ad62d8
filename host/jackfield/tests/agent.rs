//! An agent at a terminal: what the prompt shows, and what becomes of the interaction. Everything over real
//! processes; the test itself is the router.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use jackfield_link::{Client, Endpoint};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, DeliveryResult, RequestDeliver, RequestPull, RequestRegisterClient, request_deliver, request_pull,
};
use serde_json::Value as Json;
use support::{Running, Site, json_lines, output_text};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const LETTER: &str = "From: Kim Lee <kim@example.com>\r\nTo: help@example.org\r\nSubject: My invoice\r\n\
                      Message-ID: <1@example.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\n\
                      Hello,\r\n\r\nwhere is it?\r\n";

/// A site with agent `kim` at the prompt, and an e-mail whose invitation is on the desk.
struct Desk {
    runtime: Runtime,
    router: Client,
    events: mpsc::Receiver<Event>,
    interaction: String,
    agent: Running,
    _server: Running,
    site: Site,
}

impl Desk {
    fn new() -> Desk {
        let site = Site::new();
        let server = site.server();
        let mut agent = Running::start(site.command(&["agent", "--id", "kim"]));
        agent.wait_for_line("main: logged in");
        site.write("letter.eml", LETTER);
        let output = site.command(&["submit", "letter.eml", "--queue", "in"]).output().expect("runs");
        assert!(output.status.success(), "{}", output_text(&output));

        let runtime = Runtime::new().expect("a runtime");
        let register = RequestRegisterClient {
            client_name: "router".into(),
            client_type: ClientType::RoutingEngine.into(),
            ..RequestRegisterClient::default()
        };
        let endpoint = Endpoint::Tcp(site.address());
        let (router, events) = runtime.block_on(Client::connect(&endpoint, register)).expect("connects");
        let pull = RequestPull {
            what: Some(request_pull::What::Strategy("Triage".into())),
            count: 1,
            ..RequestPull::default()
        };
        let pulled = runtime.block_on(router.request(Request::Pull(pull))).expect("the e-mail");
        let Event::PulledInteractions(pulled) = pulled else { panic!("no pull's answer: {pulled:?}") };
        let interaction = pulled.interactions[0].interaction.clone().expect("an interaction").interaction_id;
        let deliver = RequestDeliver {
            interaction_id: interaction.clone(),
            target: Some(request_deliver::Target::Agent("kim".into())),
            ..RequestDeliver::default()
        };
        runtime.block_on(router.request(Request::Deliver(deliver))).expect("kim is invited");
        let invitation = agent.wait_for_line("invited");
        for part in ["30 s to accept", "kim@example.com", "My invoice", &interaction] {
            assert!(invitation.contains(part), "{invitation}");
        }
        Desk { runtime, router, events, interaction, agent, _server: server, site }
    }

    /// How the delivery ended, as the router is told.
    fn delivered(&mut self) -> DeliveryResult {
        match self.runtime.block_on(self.events.recv()) {
            Some(Event::Delivery(delivery)) => delivery.result(),
            other => panic!("no end of the delivery: {other:?}"),
        }
    }

    /// Interactions in a queue and with an agent; and all that the server has.
    fn counts(&self, queue: &str) -> (u64, u64, u64) {
        let output = self.site.command(&["queues", "--json"]).output().expect("runs");
        let status = json_lines(&output.stdout).remove(0);
        let rows = status["queues"].as_array().expect("queues");
        let row = rows.iter().find(|row| row["queue"] == queue).expect("the queue");
        let number = |json: &Json| json.as_u64().expect("a count");
        (number(&row["waiting"]), number(&row["handling"]), number(&status["interactions"]))
    }

    /// `accept`, as far as the interaction being the agent's.
    fn accept(&mut self) {
        self.agent.say("accept");
        self.agent.wait_for_line("main: accepted");
        assert_eq!(self.delivered(), DeliveryResult::Accepted);
        assert_eq!(self.counts("in"), (0, 1, 1));
    }

    fn quit(mut self) {
        self.agent.say("quit");
        assert!(self.agent.ended().success());
        self.runtime.block_on(self.router.leave());
    }
}

#[test]
fn accept_read_done() {
    let mut desk = Desk::new();
    desk.agent.say("list");
    desk.agent.wait_for_line("invitation 1");
    desk.accept();
    desk.agent.say("list");
    let listed = desk.agent.wait_for_line("in hand");
    assert!(listed.contains(&desk.interaction), "{listed}");
    desk.agent.say("read");
    for line in ["in queue in", "From:     Kim Lee <kim@example.com>", "To:       help@example.org"] {
        desk.agent.wait_for_line(line);
    }
    for line in ["Subject:  My invoice", "Hello,", "where is it?"] {
        desk.agent.wait_for_line(line);
    }
    desk.agent.say("done");
    desk.agent.wait_for_line("main: done");
    assert_eq!(desk.counts("in"), (0, 0, 0));
    desk.agent.say("list");
    desk.agent.wait_for_line("nothing is on the desk");
    desk.quit();
}

#[test]
fn transfer_puts_it_into_the_queue() {
    let mut desk = Desk::new();
    desk.accept();
    // A queue that is not there changes nothing.
    desk.agent.say("transfer nowhere");
    desk.agent.say("list");
    desk.agent.wait_for_line("in hand");
    desk.agent.say("transfer out");
    desk.agent.wait_for_line("main: transferred (out)");
    assert_eq!(desk.counts("out"), (1, 0, 1));
    desk.quit();
}

#[test]
fn reject_leaves_it_where_it_was() {
    let mut desk = Desk::new();
    desk.agent.say("reject");
    desk.agent.wait_for_line("main: rejected");
    assert_eq!(desk.delivered(), DeliveryResult::Rejected);
    assert_eq!(desk.counts("in"), (1, 0, 1));
    desk.agent.say("list");
    desk.agent.wait_for_line("nothing is on the desk");
    desk.quit();
}

#[test]
fn what_is_in_hand_goes_back_when_the_agent_leaves() {
    let mut desk = Desk::new();
    desk.accept();
    desk.agent.say("quit");
    desk.agent.wait_for_end();
    assert_eq!(desk.counts("in"), (1, 0, 1));
}

#[test]
fn who_is_logged_in_elsewhere_is_told_once_and_comes_in_later() {
    let site = Site::new();
    let _server = site.server();
    let mut first = Running::start(site.command(&["agent", "--id", "kim"]));
    first.wait_for_line("main: logged in");
    let mut second = Running::start(site.command(&["agent", "--id", "kim"]));
    second.wait_for_line("main: not logged in: refused: the agent `kim` is logged in through another connection");
    first.say("quit");
    assert!(first.ended().success());
    let next = second.wait_for_line("main: ");
    assert_eq!(next, "main: logged in");
    second.say("quit");
    assert!(second.ended().success());
}
