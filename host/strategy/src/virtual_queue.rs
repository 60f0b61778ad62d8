//! What is attached to an interaction for a wait in a virtual queue (reference page, *Virtual queue reporting*):
//! the one place that makes the list, for strategies that attach it themselves and for the node.

use sha2::{Digest, Sha256};

use crate::contract::{KvPair, KvValue};

/// User data key: the id of one wait in a virtual queue.
pub const ID_KEY: &str = "RVQID";
/// User data key: the id of the interaction's first wait.
pub const PRIMARY_ID_KEY: &str = "RPVQID";

/// The pairs of one wait: its id, and what is known of it, as it is, repeated keys included. `is_first`: the
/// interaction has had none before.
pub fn attachment(id: String, is_first: bool, data: impl IntoIterator<Item = KvPair>) -> Vec<KvPair> {
    let pair = |key: &str, id| KvPair { key: key.to_owned(), value: KvValue::Text(id) };
    let primary = is_first.then(|| pair(PRIMARY_ID_KEY, id.clone()));
    std::iter::once(pair(ID_KEY, id)).chain(primary).chain(data).collect()
}

/// The id of the wait that this request of a session begins: always the same, and no other's.
pub fn wait_id(session: &str, request: u64) -> String {
    let digest = Sha256::new().chain_update(session).chain_update(request.to_be_bytes()).finalize();
    id_of(digest.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte)))
}

/// 32 upper-case hexadecimal digits.
pub(crate) fn id_of(number: u128) -> String {
    format!("{number:032X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_has_an_id_of_32_digits_and_has_it_again() {
        let ids = ["one", "two"].map(|session| [1, 2, u64::MAX].map(|request| wait_id(session, request)));
        let different: std::collections::HashSet<&String> = ids.iter().flatten().collect();
        assert_eq!(different.len(), 6);
        assert!(different.iter().all(|id| id.len() == 32 && id.bytes().all(|it| b"0123456789ABCDEF".contains(&it))));
        assert_eq!(wait_id("one", 2), ids[0][1]);
    }

    #[test]
    fn only_the_first_is_the_primary_one_and_repeated_keys_stay() {
        let group = |name: &str| KvPair { key: "RTargetAgentGroup".into(), value: KvValue::Text(name.into()) };
        let keys = |is_first| {
            let pairs = attachment("1".into(), is_first, [group("a"), group("b")]);
            pairs.into_iter().map(|pair| pair.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(true), ["RVQID", "RPVQID", "RTargetAgentGroup", "RTargetAgentGroup"]);
        assert_eq!(keys(false), ["RVQID", "RTargetAgentGroup", "RTargetAgentGroup"]);
    }
}
