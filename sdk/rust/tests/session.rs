//! How a session waits: what it keeps, what ends a wait early, what is dropped.

use std::cell::Cell;
use std::rc::Rc;

use jackfield_sdk::http::{HttpHeader, Method};
use jackfield_sdk::interaction::InteractionEvent;
use jackfield_sdk::testing::{self, Route, Script};
use jackfield_sdk::{EVENTS_KEPT, Event, Request, prelude::*};

fn email() -> Script {
    Script::new(testing::email().with("Subject", "hello").build())
}

fn lost(at_ms: u64, script: &Script) {
    let event = InteractionEvent { interaction: "0000TEST00000001".into(), reason: "link down".into() };
    script.after(at_ms, Event::InteractionNotControlled(event));
}

#[test]
fn requests_are_made_in_order_and_their_effects_show_in_a_fresh_copy() {
    let host = email();
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.set_user_data(&interaction, [("Topic", "billing"), ("Topic", "refund")])?;
        let fresh = session.get(&interaction)?;
        assert_eq!(fresh.values("Topic").count(), 2);
        assert!(!interaction.has("Topic"), "the old copy stays as it was");
        session.delete_user_data(&interaction, &["Topic"])?;
        assert!(!session.get(&interaction)?.has("Topic"));
        session.place(&interaction, "email.general")
    });
    assert_eq!(ended, Ok(()));
    assert!(host.is_settled());
    assert_eq!(host.requests().len(), 3);
}

#[test]
fn a_route_ends_in_the_agent_who_accepted() {
    let host = email();
    host.route(Route::Agent("ann".into(), 2_500));
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let routed = session
            .route(&interaction)
            .to(Target::skill("Billing >= 5"))
            .or(Target::agent_group("Billing"))
            .priority(5)
            .virtual_queue("VQ_Billing")
            .within(secs(60))
            .send()?;
        assert_eq!(routed.destination, Destination::Agent("ann".into()));
        assert_eq!(routed.virtual_queue.as_deref(), Some("VQ_Billing"));
        Ok(())
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.elapsed(), 2_500);
    assert_eq!(host.targets(), [["Billing >= 5", "Billing"]]);
}

#[test]
fn nobody_there_is_a_timeout_and_the_interaction_is_still_held() {
    let host = email();
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let nobody = session.route(&interaction).to(Target::agent("ann")).within(secs(60)).send();
        assert_eq!(nobody.err(), Some(Error::Timeout));
        session.place(&interaction, "email.overflow")
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.elapsed(), 60_000);
}

#[test]
fn what_happens_during_a_wait_is_kept_in_order() {
    let host = email();
    host.route(Route::Agent("ann".into(), 100));
    let id = "0000TEST00000001".to_owned();
    let message = |name: &str| {
        Event::Message(jackfield_sdk::interaction::MessageEvent { name: name.into(), data: "null".into() })
    };
    host.after(10, message("one")).after(20, Event::UserDataChanged(id.clone()));
    host.after(30, message("two")).after(40, Event::UserDataChanged(id.clone()));
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.route(&interaction).to(Target::agent("ann")).send()?;
        assert_eq!(session.next_event(None), Some(message("one")));
        assert_eq!(session.next_event(None), Some(Event::UserDataChanged(id)), "said once");
        assert_eq!(session.next_event(None), Some(message("two")));
        assert_eq!(session.next_event(Some(secs(5))), None);
        Ok(())
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.elapsed(), 5_100);
}

#[test]
fn a_lost_interaction_ends_the_wait_and_the_late_outcome_is_dropped() {
    let host = email();
    host.route(Route::Agent("ann".into(), 500));
    lost(100, &host);
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let error = session.route(&interaction).to(Target::agent("ann")).send().expect_err("lost");
        assert!(matches!(&error, Error::Lost { reason, .. } if reason == "link down"), "{error}");
        let later = session.next_event(Some(secs(60)));
        assert_eq!(later, None, "the loss was told, and the outcome of the route is nobody's");
        Err(error)
    });
    assert_eq!(ended, Ok(()), "a session that lost its interaction has not failed");
}

/// The server took it back while the link was down for long, and has it for the session all the same.
fn lost_and_there_again(at_ms: u64, script: &Script) {
    lost(at_ms, script);
    script.after(at_ms, Event::InteractionPresent("0000TEST00000001".into()));
}

#[test]
fn an_interaction_that_is_lost_and_there_again_ends_no_wait_and_both_are_told() {
    let host = email();
    host.route(Route::Agent("ann".into(), 500));
    lost_and_there_again(100, &host);
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.route(&interaction).to(Target::agent("ann")).send()?;
        let told: Vec<_> = std::iter::from_fn(|| session.next_event(Some(secs(1)))).collect();
        assert!(
            matches!(told.as_slice(), [Event::InteractionNotControlled(_), Event::InteractionPresent(_)]),
            "{told:?}"
        );
        Ok(())
    });
    assert_eq!((ended, host.elapsed()), (Ok(()), 1_500));
}

#[test]
fn a_sleep_goes_on_when_what_is_lost_is_there_again() {
    let host = email();
    lost_and_there_again(5_000, &host);
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.sleep(minutes(60))?;
        session.place(&interaction, "email.general")
    });
    assert_eq!((ended, host.elapsed()), (Ok(()), 3_600_000));
}

#[test]
fn a_link_that_is_down_means_the_interaction_is_lost() {
    let host = email();
    host.fail(|request| matches!(request, Request::PlaceInQueue { .. }), 2000, "link_down");
    let quiet = Rc::new(Cell::new(false));
    let seen = Rc::clone(&quiet);
    let ended = host.run(move |session| {
        let interaction = session.interaction()?;
        let error = session.place(&interaction, "email.general").expect_err("link is down");
        seen.set(matches!(error, Error::Lost { .. }));
        Err(error)
    });
    assert_eq!(ended, Ok(()));
    assert!(quiet.get());
}

#[test]
fn a_stop_cancels_a_route_and_leaves_time_to_place() {
    let host = email();
    host.after(1_000, Event::StopRequested("shutdown".into()));
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let stopped = Some(Error::Stopped("shutdown".into()));
        assert_eq!(session.route(&interaction).to(Target::agent("ann")).send().err(), stopped);
        assert_eq!(session.sleep(minutes(1)).err(), stopped, "long waits end at once from now on");
        assert_eq!(session.route(&interaction).to(Target::agent("ann")).send().err(), stopped);
        assert_eq!(session.stop_requested(), Some("shutdown"));
        session.place(&interaction, "email.general")
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.elapsed(), 1_000);
    assert_eq!(host.placed(), ["email.general"]);
    let cancels = host.requests().iter().filter(|request| matches!(request, Request::CancelRoute(_))).count();
    assert_eq!(cancels, 1);
}

#[test]
fn a_stop_does_not_undo_a_delivery_that_was_on_its_way() {
    let host = email();
    host.route(Route::Agent("ann".into(), 1_000));
    host.fail(|request| matches!(request, Request::CancelRoute(_)), 2006, "interaction_busy");
    host.after(999, Event::StopRequested("shutdown".into()));
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.route(&interaction).to(Target::agent("ann")).send().map(drop)
    });
    assert_eq!(ended, Ok(()));
    assert!(host.is_settled());
}

#[test]
fn requests_made_together_may_be_waited_for_in_any_order() {
    let host = email();
    host.service([("Level", "gold")]);
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let first = session.request(ServiceCall::new("CRM", "Customers", "Find").parameter("Id", 7).into());
        let second = session
            .request(Request::DeleteUserData { interaction: interaction.id.clone(), keys: vec!["Subject".into()] });
        assert_eq!(session.wait(second)?, Outcome::Done);
        assert_eq!(session.wait(first)?, Outcome::ServiceResponse(vec![("Level", "gold").into()]));
        session.stop(&interaction, "")
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.stopped(), [""]);
}

#[test]
fn an_http_request_is_answered_whatever_its_status() {
    let host = email();
    host.http(200, r#"{"level":"gold"}"#).http(404, "no such customer");
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        let customers = "https://crm.example.com/customers";
        let found = session.fetch(HttpRequest::get(format!("{customers}/7"))).within(secs(5)).send()?;
        let customer: std::collections::BTreeMap<String, String> = found.json()?;
        assert_eq!((found.is_success(), customer["level"].as_str()), (true, "gold"));
        let note = HttpRequest::post(customers).header("authorization", "Bearer x").json(&["a note"])?;
        let refused = session.fetch(note).send()?;
        assert_eq!((refused.is_success(), &*refused.text()), (false, "no such customer"));
        assert!(matches!(refused.json::<u32>(), Err(Error::Other(text)) if text.contains("status 404")));
        session.stop(&interaction, "")
    });
    assert_eq!(ended, Ok(()));
    let requests = host.requests();
    let [Request::Fetch(get), Request::Fetch(post), ..] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((get.url.as_str(), get.timeout), ("https://crm.example.com/customers/7", Some(5_000)));
    let headers: Vec<_> = post.headers.iter().map(|header| (&*header.name, &*header.value)).collect();
    assert_eq!(headers, [("authorization", "Bearer x"), ("content-type", "application/json")]);
    assert_eq!((post.method, post.body.as_slice(), post.timeout), (Method::Post, br#"["a note"]"#.as_slice(), None));
}

#[test]
fn http_requests_may_be_under_way_together_and_fail_by_name() {
    let host = email();
    host.http(201, "first").http(202, "second");
    let ended = host.run(|session| {
        let _ = session.interaction()?;
        let first = session.fetch(HttpRequest::put("http://a.example/1").body("x")).submit();
        let second = session.request(HttpRequest::delete("http://a.example/2").into());
        let status = |outcome| match outcome {
            Outcome::HttpResponse(response) => response.status,
            other => panic!("{other:?}"),
        };
        assert_eq!((status(session.wait(second)?), status(session.wait(first)?)), (202, 201));
        Ok(())
    });
    assert_eq!(ended, Ok(()));
    let is_fetch = |request: &Request| matches!(request, Request::Fetch(_));
    host.fail(is_fetch, 2001, "timeout").fail(is_fetch, 2017, "outcome_unknown");
    let ended = host.run(|session| {
        assert_eq!(session.fetch(HttpRequest::get("http://a.example")).send(), Err(Error::Timeout));
        let unknown = session.fetch(HttpRequest::post("http://a.example")).send();
        assert!(matches!(unknown, Err(Error::Refused(failure)) if failure.name == "outcome_unknown"));
        Ok(())
    });
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_header_of_a_response_is_found_in_any_case() {
    let headers = vec![HttpHeader { name: "content-type".into(), value: "text/plain".into() }];
    let response = HttpResponse { status: 299, headers, body: b"caf\xe9".to_vec() };
    assert_eq!((response.header("Content-Type"), response.header("etag")), (Some("text/plain"), None));
    assert_eq!((response.is_success(), &*response.text()), (true, "caf\u{fffd}"));
}

#[test]
fn a_refusal_fails_the_session_with_its_text() {
    let host = email();
    host.fail(|request| matches!(request, Request::PlaceInQueue { .. }), 1004, "__we_error_unknown_queue");
    let ended = host.run(|session| {
        let interaction = session.interaction()?;
        session.place(&interaction, "nowhere")
    });
    let text = ended.expect_err("refused");
    assert!(text.contains("__we_error_unknown_queue 1004"), "{text}");
    assert!(!host.is_settled(), "it goes back to its queue");
}

#[test]
fn kept_events_are_bounded() {
    let host = email();
    for number in 0..=EVENTS_KEPT as u64 {
        host.after(1, Event::TimerFired(number + 1));
    }
    let ended = host.run(|session| {
        let _ = session.interaction()?;
        session.sleep(secs(1))?;
        assert_eq!(session.next_event(None), Some(Event::TimerFired(2)), "the oldest is gone");
        let mut count = 1;
        while session.next_event(Some(secs(1))).is_some() {
            count += 1;
        }
        assert_eq!(count, EVENTS_KEPT);
        Ok(())
    });
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_sleep_ends_when_there_is_nothing_left_to_sleep_for() {
    let host = email();
    lost(5_000, &host);
    let ended = host.run(|session| {
        let _ = session.interaction()?;
        session.sleep(minutes(60))
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(host.elapsed(), 5_000);
}

#[test]
fn timers_fire_once_and_can_be_cancelled() {
    let host = email();
    let ended = host.run(|session| {
        let _ = session.interaction()?;
        let (kept, cancelled) = (session.start_timer(secs(2)), session.start_timer(secs(1)));
        assert!(session.cancel_timer(cancelled));
        assert_eq!(session.next_event(None), Some(Event::TimerFired(kept)));
        assert!(!session.cancel_timer(kept));
        Ok(())
    });
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_checkpointed_session_goes_on_with_what_it_holds() {
    let host = email();
    let first = host.run(|session| {
        let _ = session.interaction()?;
        session.save_checkpoint(b"step 2");
        Ok(())
    });
    assert_eq!(first, Ok(()));
    let mut session = Session::over(host.clone(), host.last_checkpoint());
    assert_eq!(session.checkpoint(), Some(b"step 2".as_slice()));
    assert_eq!(session.interaction().expect("still held").subject(), "hello");
}

#[test]
fn parameters_that_are_not_understood_fall_back() {
    let host = email();
    host.parameter("seconds", "12").parameter("broken", "a dozen").list("vip", "domains", "example.org", "\"gold\"");
    let ended = host.run(|session| {
        assert_eq!(session.parameter_or("seconds", 5), 12);
        assert_eq!(session.parameter_or("broken", 5), 5);
        assert_eq!(session.parameter_or("absent", 5), 5);
        assert_eq!(session.list_value("vip", "domains", "example.org").as_deref(), Some("gold"));
        assert_eq!(session.list_value("vip", "domains", "example.com"), None);
        Ok(())
    });
    assert_eq!(ended, Ok(()));
}
