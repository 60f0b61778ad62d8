//! The contract since 0.1.0, generated from `wit/strategy.wit`, where every word is documented.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "strategy",
    imports: {
        default: trappable,
        "jackfield:strategy/events.next": async | trappable,
    },
    exports: { default: async },
    // What a strategy is told and what it asks for is recorded.
    additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
});
