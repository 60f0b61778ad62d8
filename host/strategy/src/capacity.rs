//! How many instances one process can hold.
//!
//! Each live instance costs kernel mappings (its memory, its stack, and their guards). Past
//! `vm.max_map_count` it is the host's own allocator that fails, and the process aborts; so the
//! limit is read when the engine is made, and the number of instances stays well below it.

/// Kernel mappings of one live instance, measured on Linux with the pooling allocator: 6.
const MAPPINGS_PER_INSTANCE: usize = 6;
/// Mappings left to everything else in the process: threads, code of plugins, the allocator,
/// SQLite.
const MAPPINGS_IN_RESERVE: usize = 8_192;
/// There is always room for this many.
const LEAST: usize = 16;

/// How many instances to make room for, of those wanted. Says in the log when it is fewer.
pub(crate) fn of_process(wanted: usize) -> usize {
    let limit = read_number("/proc/sys/vm/max_map_count");
    let used = std::fs::read("/proc/self/maps").map_or(0, |maps| maps.iter().filter(|&&b| b == b'\n').count());
    let capacity = within(wanted, limit, used);
    match limit {
        Some(limit) if capacity < wanted => tracing::warn!(
            wanted,
            capacity,
            "vm.max_map_count is {limit}, {used} in use: room for {capacity} sessions at once and not for {wanted}; \
             raise it with `sysctl vm.max_map_count={}`",
            used + MAPPINGS_IN_RESERVE + wanted.saturating_mul(MAPPINGS_PER_INSTANCE)
        ),
        Some(limit) => tracing::info!(capacity, "room for {capacity} sessions at once (vm.max_map_count is {limit})"),
        None => tracing::info!(capacity, "room for {capacity} sessions at once"),
    }
    capacity
}

fn within(wanted: usize, limit: Option<usize>, used: usize) -> usize {
    let bound = match limit {
        Some(limit) => limit.saturating_sub(used).saturating_sub(MAPPINGS_IN_RESERVE) / MAPPINGS_PER_INSTANCE,
        None => usize::MAX,
    };
    // The engine counts instances in 32 bits, several parts of one each.
    wanted.min(bound).clamp(LEAST.min(wanted.max(1)), 1 << 20)
}

fn read_number(path: &str) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn capacity_leaves_mappings_for_the_rest_of_the_process() {
        assert_eq!(within(5_000, Some(65_530), 530), 5_000);
        assert_eq!(within(50_000, Some(65_530), 530), (65_000 - 8_192) / 6);
        assert_eq!(within(5_000, Some(1_000), 530), 16);
        assert_eq!(within(5, Some(1_000), 530), 5);
        assert_eq!(within(0, None, 0), 1);
    }
}
