//! Has `describe`, but no `run`.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package test:other;
            world strategy {
                export describe: func() -> string;
            }
        "#,
    });
}

struct Strategy;

impl bindings::Guest for Strategy {
    fn describe() -> String {
        String::new()
    }
}

bindings::export!(Strategy with_types_in bindings);
