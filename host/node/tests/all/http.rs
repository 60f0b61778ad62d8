//! HTTP requests of strategies, over a real server.

use jackfield_journal::Journal;
use jackfield_node::{Node, Settings};
use jackfield_plugins::Plugins;
use jackfield_strategy::{Engine, Policies, Policy};

use crate::http_server::HttpServer;
use crate::support::{Home, Site, all_texts, crash, engine, plugins_of, session, settings, tell, until, watching};

/// A site with a node that runs `obeys`, which may reach these hosts, and can be started again.
pub struct Scene {
    pub site: Site,
    home: Home,
    engine: Engine,
    plugins: std::sync::Arc<Plugins>,
    settings: Settings,
}

impl Scene {
    pub async fn open(hosts: &[String]) -> Scene {
        let site = Site::open("email", &["obeys"], true);
        let engine = engine();
        let policy = Policy { http_hosts: hosts.to_vec(), ..Policy::default() };
        engine.set_policies(Policies { default: policy, ..Policies::default() });
        let (engine, plugins) = plugins_of(engine, &["obeys"]).await;
        let settings = settings(&[&site], &["obeys"]);
        Scene { site, home: Home::new(), engine, plugins, settings }
    }

    pub async fn start(&self) -> (Node, Journal) {
        self.home.start(self.settings.clone(), &self.engine, &self.plugins).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_an_answer_whatever_its_status() {
    let server = HttpServer::open().await;
    let scene = Scene::open(&[server.address.to_string()]).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "get", &server.url("say/hello")).await;
    scene.site.seen(&interaction, "http 200 hello").await;
    tell(&node, &session, "post", &server.url("status/503")).await;
    scene.site.seen(&interaction, "http 503").await;
    tell(&node, &session, "get", &server.url("bytes/1048576")).await;
    scene.site.seen(&interaction, "http 200 1048576 bytes").await;

    let asked = server.asked();
    let seen: Vec<_> = asked.iter().map(|asked| (asked.method.as_str(), asked.path.as_str())).collect();
    assert_eq!(seen, [("GET", "say/hello"), ("POST", "status/503"), ("GET", "bytes/1048576")]);
    assert_eq!(asked[0].headers["x-from"], "obeys");
    assert!(asked[0].headers["user-agent"].starts_with("jackfield/"));
    assert_eq!(asked[1].headers["content-length"], "4");
    let keys: Vec<_> = asked.iter().map(|asked| asked.headers["idempotency-key"].as_str()).collect();
    assert!(keys.iter().all(|key| key.starts_with(&format!("\"{}:", session.id))), "{keys:?}");
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_named_is_not_reached_by_a_redirect_either() {
    let server = HttpServer::open().await;
    let port = server.address.port();
    let scene = Scene::open(&[server.address.to_string()]).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    for (path, expected) in [
        (
            format!("http://localhost:{port}/say/1"),
            format!("failed 2018 host_not_allowed: `localhost:{port}` is not among"),
        ),
        ("http://169.254.169.254/meta".to_owned(), "failed 2018 host_not_allowed: `169.254.169.254` is not".to_owned()),
        ("file:///etc/passwd".to_owned(), "failed 2018 host_not_allowed: `file` is no scheme".to_owned()),
        ("nonsense".to_owned(), "failed 2007 bad_request: the URL: relative URL without a base".to_owned()),
        (
            server.url(&format!("to/http://localhost:{port}/say/2")),
            format!("failed 2018 host_not_allowed: a redirect: `localhost:{port}` is not among"),
        ),
        (
            server.url(&format!("to/{}", server.url(&format!("to/http://127.0.0.2:{port}/say/3")))),
            format!("failed 2018 host_not_allowed: a redirect: `127.0.0.2:{port}` is not among"),
        ),
        (server.url(&format!("to/{}", server.url("say/there"))), "http 200 there".to_owned()),
    ] {
        tell(&node, &session, "get", &path).await;
        scene.site.seen(&interaction, &expected).await;
    }
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert!(paths.iter().all(|path| !path.starts_with("say/") || path == "say/there"), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_nothing_is_reached() {
    let server = HttpServer::open().await;
    let scene = Scene::open(&[]).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "get", &server.url("say/hello")).await;
    scene.site.seen(&interaction, "failed 2018 host_not_allowed").await;
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_too_large_or_is_no_http_fails() {
    let server = HttpServer::open().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let scene = Scene::open(&[server.address.to_string(), nobody.to_string()]).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    for (how, url, expected) in [
        ("get", format!("{} 50", server.url("hold")), "failed 2001 timeout: no answer within 50 ms"),
        (
            "post",
            format!("{} 50", server.url("hold")),
            "failed 2001 timeout: no answer within 50 ms; whether the server did it is not known",
        ),
        (
            "get",
            server.url("bytes/1048577"),
            "failed 2019 too_large: the answer has more than 1048576 bytes in its body",
        ),
        ("get", format!("http://{nobody}/"), "failed 2016 http_failed: "),
        // It speaks no TLS.
        ("get", format!("https://{}/say/hello", server.address), "failed 2016 http_failed: "),
        ("get", server.url("round"), "failed 2016 http_failed: more than 10 redirects"),
    ] {
        tell(&node, &session, how, &url).await;
        scene.site.seen(&interaction, expected).await;
    }
    until("each of them has failed", async || {
        let seen = all_texts(&scene.site.data(&interaction).await, "Seen");
        (seen.iter().filter(|line| line.starts_with("failed 2016 http_failed")).count() == 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_repeated_is_asked_again_after_a_crash_and_what_was_answered_is_not() {
    let server = HttpServer::open().await;
    let scene = Scene::open(&[server.address.to_string()]).await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "get", &server.url("say/before")).await;
    scene.site.seen(&interaction, "http 200 before").await;
    tell(&node, &session, "get", &server.url("hold")).await;
    until("it is asked", async || (server.asked().len() == 2).then_some(())).await;
    crash(node, journal).await;

    let (node, journal) = scene.start().await;
    until("it is asked again", async || (server.asked().len() == 3).then_some(())).await;
    let keys: Vec<String> = server.asked().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    assert!(keys[1] == keys[2] && keys[0] != keys[1], "{keys:?}");
    // A connection to the Interaction Server that is lost is nothing to it.
    scene.site.cut();
    until("the link is back", async || {
        let link = &node.status().links[0];
        (link.connections == 2 && node.status().pulls[0].asked > 0).then_some(())
    })
    .await;
    assert_eq!(server.asked().len(), 3);
    crash(node, journal).await;

    // What was answered happens again from the journal alone.
    let (node, _journal) = scene.start().await;
    tell(&node, &session, "get", &server.url("say/after")).await;
    scene.site.seen(&interaction, "http 200 after").await;
    let seen = all_texts(&scene.site.data(&interaction).await, "Seen");
    let answers: Vec<&String> = seen.iter().filter(|line| !line.contains("InteractionPresent")).collect();
    assert_eq!(answers, ["http 200 before", "http 200 after"]);
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths.iter().filter(|path| *path == "say/before").count(), 1, "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_repeated_is_not_and_its_session_is_told() {
    let server = HttpServer::open().await;
    let scene = Scene::open(&[server.address.to_string()]).await;
    let (node, journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    tell(&node, &first, "post", &server.url("hold")).await;
    until("it is asked", async || (server.asked().len() == 1).then_some(())).await;
    crash(node, journal).await;

    let (node, _journal) = scene.start().await;
    let line = scene.site.seen(&interaction, "failed 2017").await;
    assert_eq!(
        line,
        "failed 2017 outcome_unknown: the node went down before there was an answer; whether the server did this POST \
         is not known"
    );
    assert_eq!(session(&node, &interaction).await.id, first.id);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_leaves_its_request_to_be_carried_out() {
    let server = HttpServer::open().await;
    let scene = Scene::open(&[server.address.to_string()]).await;
    let (node, _journal) = scene.start().await;
    let interaction = scene.site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    tell(&node, &first, "place", "done").await;
    scene.site.waiting("done", 1).await;
    tell(&node, &first, "post", &server.url("status/204")).await;
    tell(&node, &first, "finish", "").await;
    until("it has ended", async || node.status().sessions.is_empty().then_some(())).await;
    assert_eq!(server.asked().len(), 1);
    assert_eq!((node.status().counters.finished, node.status().counters.failed), (1, 0));
}
