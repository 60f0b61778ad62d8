//! `types` has no functions.

use crate::contract::interfaces::types::Host;
use crate::state::State;

impl Host for State {}
