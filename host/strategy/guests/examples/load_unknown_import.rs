//! Wants something that strategies do not have.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package acme:disk@1.0.0;
            interface format {
                everything: func();
            }
            world strategy {
                import format;
                export describe: func() -> string;
                export run: func();
            }
        "#,
    });
}

struct Strategy;

impl bindings::Guest for Strategy {
    fn describe() -> String {
        bindings::acme::disk::format::everything();
        String::new()
    }

    fn run() {}
}

bindings::export!(Strategy with_types_in bindings);
