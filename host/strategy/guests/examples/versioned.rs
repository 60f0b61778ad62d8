//! A strategy in many versions, made from one file: tests write other digits into its version, and another mood
//! into its mood. It writes down on which version it began, waits for as long as the interaction says, and stops it
//! with the version on which it ended.

#![allow(clippy::panic, reason = "one of its moods")]

use std::hint::black_box;

use test_guests::{Guest, Manifest, events, interactions, types};

/// Ten characters, which the tests replace.
static VERSION: &str = "0.0.000000";
/// `mood:good`; `mood:fail`: it gives up; `mood:trap`: it panics; `mood:loop`: it never ends; `mood:else`: it
/// decides otherwise.
static MOOD: &str = "mood:good";

struct Strategy;

impl Guest for Strategy {
    fn describe() -> Manifest {
        Manifest { version: black_box(VERSION).into(), ..test_guests::manifest("versioned", &[]) }
    }

    fn run(_checkpoint: Option<Vec<u8>>) -> Result<(), String> {
        events::next(None);
        let id = interactions::held().into_iter().next().ok_or("it has no interaction")?;
        let version = black_box(VERSION);
        interactions::update_user_data(&id, &[text("Began", version)]);
        match black_box(MOOD) {
            "mood:fail" => return Err("it is in no mood for this".into()),
            "mood:trap" => panic!("it is in no mood for this"),
            "mood:loop" => loop {
                black_box(version);
            },
            _ => {}
        }
        let wait = interactions::get(&id).and_then(|interaction| {
            let key = |pair: &types::KvPair| (pair.key == "Wait").then(|| pair.value.clone());
            interaction.user_data.iter().find_map(key)
        });
        let wait = match wait {
            Some(types::KvValue::Integer(wait)) => u64::try_from(wait).unwrap_or_default(),
            _ => 0,
        };
        // What it asked for has an outcome; then nothing more comes.
        events::next(None);
        events::next(Some(wait));
        if black_box(MOOD) == "mood:else" {
            interactions::place_in_queue(&id, "elsewhere");
        } else {
            interactions::stop_processing(&id, Some(version));
        }
        events::next(None);
        Ok(())
    }
}

fn text(key: &str, value: &str) -> types::KvPair {
    types::KvPair { key: key.into(), value: types::KvValue::Text(value.into()) }
}

test_guests::export!(Strategy with_types_in test_guests::bindings);
