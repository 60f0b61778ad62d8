//! Looking at what waits in a queue, page by page.

use jackfield_protocol::ErrorCode;
use jackfield_protocol::limits::FRAME_BYTES;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn find(queue: &str, after: &str, count: u32) -> RequestMessage {
    RequestMessage::FindInteractions(RequestFindInteractions { queue: queue.into(), after: after.into(), count })
}

/// Ids of a page, and whether others follow.
#[track_caller]
fn page(world: &mut World, client: u64, request: RequestMessage) -> (Vec<String>, bool) {
    match world.ask(client, request) {
        EventMessage::InteractionsFound(found) => {
            (found.interactions.into_iter().map(|interaction| interaction.interaction_id).collect(), found.more)
        }
        other => panic!("nothing found: {other:?}"),
    }
}

#[test]
fn what_waits_in_a_queue_is_found_page_by_page_and_stays_where_it_is() {
    let mut world = World::new();
    let (media, router) = (world.client(ClientType::MediaServer), world.router("first"));
    let mut all: Vec<String> = (0..5).map(|number| world.submit(media, "inbound", number)).collect();
    let elsewhere = world.submit(media, "second", 0);
    all.sort_unstable();
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let (ids, more) = page(&mut world, router, find("inbound", &after, 2));
        assert!(ids.len() <= 2);
        found.extend(ids);
        after = found.last().unwrap().clone();
        if !more {
            break;
        }
    }
    assert_eq!(found, all);
    assert_eq!(page(&mut world, router, find("second", "", 0)), (vec![elsewhere], false));
    assert_eq!(page(&mut world, router, find("inbound", &after, 0)), (Vec::new(), false));
    assert_eq!(world.pulled(router, pull_view("all", 9)).len(), 5, "all of them still wait");
    assert_eq!(page(&mut world, router, find("inbound", "", 0)), (Vec::new(), false), "and now none does");
}

#[test]
fn it_is_found_with_its_user_data_whether_or_not_it_may_be_taken() {
    let mut world = World::new();
    let (media, router) = (world.client(ClientType::MediaServer), world.router("first"));
    let id = world.submit(media, "inbound", 0);
    assert_eq!(world.pulled(router, pull_ids(&[&id])), [id.clone()]);
    let hold = RequestPlaceInQueue {
        interaction_id: id.clone(),
        queue: "second".into(),
        hold: true,
        ..RequestPlaceInQueue::default()
    };
    world.done(router, RequestMessage::PlaceInQueue(hold));
    let EventMessage::InteractionsFound(found) = world.ask(router, find("second", "", 9)) else { panic!("nothing") };
    let [interaction] = found.interactions.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (interaction.queue.as_str(), interaction.is_held, interaction.state()),
        ("second", true, InteractionState::Queued)
    );
    assert_eq!(interaction.user_data.as_ref().and_then(|data| data.text("Subject")), Some("a question"));
}

#[test]
fn a_page_fits_into_a_frame_and_one_is_always_given() {
    let mut world = World::new();
    let (media, router) = (world.client(ClientType::MediaServer), world.router("first"));
    let large = |queue: &str| {
        RequestMessage::Submit(RequestSubmit {
            media_type: "email".into(),
            queue: queue.into(),
            user_data: Some(KeyValueList::default().with("Body", "x".repeat(FRAME_BYTES * 3 / 8))),
            ..RequestSubmit::default()
        })
    };
    for _ in 0..2 {
        world.done(media, large("inbound"));
    }
    let (first, more) = page(&mut world, router, find("inbound", "", 0));
    assert_eq!((first.len(), more), (1, true));
    let (second, more) = page(&mut world, router, find("inbound", &first[0], 0));
    assert_eq!((second.len(), more), (1, false));
}

#[test]
fn a_queue_that_is_not_there_is_an_error_and_not_an_empty_page() {
    let mut world = World::new();
    let router = world.router("first");
    assert_eq!(world.refused(router, find("orchestration_system", "", 0)), ErrorCode::UnknownQueue.number());
    assert_eq!(world.refused(router, find("", "", 0)), ErrorCode::BadRequest.number());
}
