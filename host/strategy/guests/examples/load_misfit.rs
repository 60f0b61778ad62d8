//! Has the exports of the contract, but not their types.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package test:other;
            world strategy {
                export describe: func() -> string;
                export run: func();
            }
        "#,
    });
}

struct Strategy;

impl bindings::Guest for Strategy {
    fn describe() -> String {
        String::new()
    }

    fn run() {}
}

bindings::export!(Strategy with_types_in bindings);
