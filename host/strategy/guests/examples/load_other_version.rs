//! Was built for a version of the contract that does not exist.

#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package jackfield:strategy@9.1.0;
            interface log {
                write: func(text: string);
            }
            world strategy {
                import log;
                export describe: func() -> string;
                export run: func();
            }
        "#,
    });
}

struct Strategy;

impl bindings::Guest for Strategy {
    fn describe() -> String {
        bindings::jackfield::strategy::log::write("hello");
        String::new()
    }

    fn run() {}
}

bindings::export!(Strategy with_types_in bindings);
