//! A customer writes on the page, an agent answers at the prompt. Everything over real processes and a real
//! WebSocket client. The plugins are made by `cargo xtask guests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use support::{Running, Site, json_lines, output_text};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A site with a chat server, a node that offers chats to the group, and kim at the prompt.
struct Scene {
    runtime: Runtime,
    agent: Running,
    node: Running,
    page: String,
    _server: Running,
    site: Site,
}

/// A browser's side of the conversation.
struct Customer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Scene {
    fn new(grace: u32) -> Scene {
        let site = Site::with(&[("in", "Chat", "chat")]);
        site.add_plugin("chat");
        site.configure("[[media-type]]", "[[media-type]]\nname = \"chat\"\n[[media-type]]");
        site.configure(
            "[[agent-group]]",
            "[[skill]]\nname = \"Chat\"\n[[agent-group]]\nname = \"Chat\"\n[[agent-group]]",
        );
        let kim = "skills = { Chat = 9 }\ngroups = [\"Chat\"]\ncapacity = { email = 2, chat = 2 }";
        site.configure("capacity = { email = 2 }", kim);
        site.configure("[[queue]]", "[[queue]]\nname = \"chat.missed\"\n[[queue]]");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let chat = format!(
            "[[media-server]]\nname = \"chat server\"\nkind = \"chat\"\nserver = \"main\"\nmedia = \"chat\"\nqueue = \"in\"\n\
             listen = \"127.0.0.1:{port}\"\nfolder = \"chats\"\ngrace = {grace}\n[[queue]]"
        );
        site.configure("[[queue]]", &chat);
        let server = site.server();
        let mut node = site.node();
        let line = node.wait_for_line("customers of `chat server` write at");
        let page = line.rsplit(' ').next().unwrap().to_owned();
        let mut agent = Running::start(site.command(&["agent", "--id", "kim", "--media", "chat"]));
        agent.wait_for_line("main: logged in");
        Scene { runtime: Runtime::new().unwrap(), agent, node, page, _server: server, site }
    }

    fn connect(&self) -> Customer {
        let address = format!("{}chat", self.page.replacen("http", "ws", 1));
        let connecting = tokio_tungstenite::connect_async(address);
        Customer(self.runtime.block_on(connecting).expect("connects").0)
    }

    fn say(&self, customer: &mut Customer, message: &Json) {
        let sending = customer.0.send(Message::text(message.to_string()));
        self.runtime.block_on(sending).expect("sent");
    }

    /// The next that the page would be told; none when the connection has ended.
    fn next(&self, customer: &mut Customer) -> Option<Json> {
        self.runtime.block_on(async {
            loop {
                match tokio::time::timeout(PATIENCE, customer.0.next()).await.expect("in time")? {
                    Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
    }

    /// A customer who has said this; and the key to come back with.
    fn customer(&self, text: &str) -> (Customer, String) {
        let mut customer = self.connect();
        self.say(&mut customer, &json!({ "type": "hello", "name": "Ann Miller" }));
        let key = self.next(&mut customer).expect("a key");
        self.say(&mut customer, &json!({ "type": "say", "text": text }));
        assert_eq!(self.line(&mut customer), ("customer".into(), text.into()));
        (customer, key["key"].as_str().expect("a key").to_owned())
    }

    fn line(&self, customer: &mut Customer) -> (String, String) {
        let line = self.next(customer).expect("a line");
        assert_eq!(line["type"], "line", "{line}");
        (line["from"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned())
    }

    /// Waits until the server has so many interactions.
    fn interactions(&self, count: u64) {
        let begin = std::time::Instant::now();
        loop {
            let output = self.site.command(&["queues", "--json"]).output().expect("runs");
            let status = json_lines(&output.stdout).remove(0);
            if status["interactions"] == count {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "not {count}: {}", output_text(&output));
        }
    }
}

#[test]
fn the_customer_types_the_agent_answers_and_done_ends_it() {
    let mut scene = Scene::new(30);
    let (mut customer, _) = scene.customer("where is <b>my</b> parcel?");
    scene.agent.wait_for_line("invited");
    scene.agent.say("accept");
    scene.agent.wait_for_line("Ann Miller: where is <b>my</b> parcel?");
    scene.agent.say("say Good morning, Ann.");
    assert_eq!(scene.line(&mut customer), ("agent".into(), "Good morning, Ann.".into()));
    scene.say(&mut customer, &json!({ "type": "say", "text": "hello \u{1b}[31mred" }));
    // Nothing that controls a terminal gets there.
    scene.agent.wait_for_line("Ann Miller: hello  [31mred");
    scene.agent.say("done");
    scene.agent.wait_for_line("done chat");
    let mut last = scene.next(&mut customer);
    while last.as_ref().is_some_and(|told| told["type"] == "line") {
        last = scene.next(&mut customer);
    }
    assert_eq!(last.expect("the end")["type"], "ended");
    scene.interactions(0);
    // The transcript is kept.
    let file = std::fs::read_dir(scene.site.path("chats")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("Good morning, Ann.") && text.contains("The agent has left."), "{text}");
}

#[test]
fn a_customer_who_comes_back_in_time_goes_on_and_one_who_does_not_is_off_line() {
    let mut scene = Scene::new(1);
    let (customer, key) = scene.customer("hello");
    scene.agent.wait_for_line("invited");
    scene.agent.say("accept");
    scene.agent.wait_for_line("Ann Miller: hello");
    drop(customer);
    let mut customer = scene.connect();
    scene.say(&mut customer, &json!({ "type": "hello", "key": key }));
    assert_eq!(scene.line(&mut customer), ("customer".into(), "hello".into()), "what was said is there again");
    drop(customer);
    scene.agent.wait_for_line("The customer has left.");
    scene.agent.say("read");
    scene.agent.wait_for_line("received");
    scene.agent.say("say anybody there?");
    scene.agent.say("list");
    scene.agent.wait_for_line("in hand");
    let mut late = scene.connect();
    scene.say(&mut late, &json!({ "type": "hello", "key": key }));
    let mut told = scene.next(&mut late).expect("an answer");
    while told["type"] == "line" {
        assert_ne!(told["text"], "anybody there?");
        told = scene.next(&mut late).expect("an answer");
    }
    assert_eq!(told["type"], "ended");
    scene.agent.say("done");
    scene.interactions(0);
}

#[test]
fn a_chat_goes_on_after_a_restart() {
    let mut scene = Scene::new(30);
    let (mut customer, key) = scene.customer("one");
    scene.agent.wait_for_line("invited");
    scene.agent.say("accept");
    scene.agent.wait_for_line("Ann Miller: one");
    scene.node.kill_now();
    while scene.next(&mut customer).is_some() {}
    scene.node = scene.site.node();
    let mut customer = scene.connect();
    scene.say(&mut customer, &json!({ "type": "hello", "key": key }));
    assert_eq!(scene.line(&mut customer), ("customer".into(), "one".into()));
    scene.agent.say("say two");
    assert_eq!(scene.line(&mut customer), ("agent".into(), "two".into()));
    scene.interactions(1);
}

#[test]
fn what_is_too_large_too_fast_or_not_of_the_page_is_refused() {
    let scene = Scene::new(30);
    let (mut fast, _) = scene.customer("1");
    for number in 2..20 {
        scene.say(&mut fast, &json!({ "type": "say", "text": number.to_string() }));
    }
    let mut refused = scene.next(&mut fast).expect("an answer");
    while refused["type"] == "line" {
        refused = scene.next(&mut fast).expect("an answer");
    }
    assert_eq!((&refused["type"], &refused["why"]), (&"refused".into(), &"you write too fast".into()));

    let (mut long, _) = scene.customer("1");
    scene.say(&mut long, &json!({ "type": "say", "text": "x".repeat(8_001) }));
    assert_eq!(scene.next(&mut long).expect("an answer")["type"], "refused");
    // It may be closed before all of it is sent.
    let huge = json!({ "type": "say", "text": "x".repeat(1_000_000) }).to_string();
    let _ = scene.runtime.block_on(long.0.send(Message::text(huge)));
    assert_eq!(scene.next(&mut long), None, "the connection is closed");

    for first in ["{", "{\"type\":\"say\",\"text\":\"x\"}", "{\"type\":\"hello\",\"name\":7}"] {
        let mut odd = scene.connect();
        scene.runtime.block_on(odd.0.send(Message::text(first))).expect("sent");
        assert_eq!(scene.next(&mut odd), None, "{first}");
    }
    let mut unknown = scene.connect();
    scene.say(&mut unknown, &json!({ "type": "hello", "key": "nobody's" }));
    assert_eq!(scene.next(&mut unknown).expect("an answer")["why"], "gone");

    // Another site's page, in the browser of somebody who has a chat with us.
    let mut request = format!("{}chat", scene.page.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://elsewhere.example".parse().unwrap());
    assert!(scene.runtime.block_on(tokio_tungstenite::connect_async(request)).is_err());
}

#[test]
fn the_page_runs_no_script_but_its_own() {
    let scene = Scene::new(30);
    let response = scene.runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = scene.page.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut stream = TcpStream::connect(&address).await.expect("connects");
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("an answer");
        response
    });
    let (head, page) = response.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/html"), "{head}");
    let nonce = head.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
    assert!(head.contains("default-src 'none'") && page.contains(&format!("<script nonce=\"{nonce}\">")), "{head}");
    assert!(!page.contains("{{nonce}}") && page.contains("aria-live"));
}
