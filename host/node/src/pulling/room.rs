//! How many sessions there may be: of the node, of each strategy, of each plugin, and of what misbehaves.
//! What open pulls ask for counts as if it had come.

/// Strategies that misbehave share one in so many of the node's sessions.
const MISBEHAVING_SHARE: usize = 2;

/// The room of a node and of its strategies.
#[derive(Debug)]
pub(super) struct Rooms {
    /// Sessions at once on the node.
    max: usize,
    sessions: usize,
    asked: usize,
    strategies: Vec<Room>,
}

#[derive(Debug)]
pub(super) struct Room {
    /// The strategy's own bound; 0: none.
    max: usize,
    sessions: usize,
    asked: usize,
    /// Its plugin is there.
    pub plugin: bool,
    /// It is switched on.
    pub enabled: bool,
    pub misbehaves: bool,
    /// Strategies of one number run the same plugin.
    pub plugin_number: usize,
    /// The most sessions of that plugin.
    pub plugin_max: Option<usize>,
}

impl Room {
    fn taken(&self) -> usize {
        self.sessions + self.asked
    }
}

impl Rooms {
    /// `strategies`: the bound of each, 0 for none of its own. Each has a plugin of its own.
    pub fn new(max: usize, strategies: &[usize]) -> Rooms {
        let room = |(plugin_number, &max)| Room {
            max,
            sessions: 0,
            asked: 0,
            plugin: true,
            enabled: true,
            misbehaves: false,
            plugin_number,
            plugin_max: None,
        };
        Rooms { max, sessions: 0, asked: 0, strategies: strategies.iter().enumerate().map(room).collect() }
    }

    /// As in [`new`](Self::new), from now on.
    pub fn set_max(&mut self, max: usize, strategies: &[usize]) {
        self.max = max;
        for (room, max) in self.strategies.iter_mut().zip(strategies) {
            room.max = *max;
        }
    }

    pub fn strategy(&self, strategy: usize) -> Option<&Room> {
        self.strategies.get(strategy)
    }

    pub fn strategy_mut(&mut self, strategy: usize) -> Option<&mut Room> {
        self.strategies.get_mut(strategy)
    }

    /// Which plugin each strategy runs: the same number for the same one.
    pub fn set_plugins(&mut self, numbers: impl IntoIterator<Item = usize>) {
        for (room, number) in self.strategies.iter_mut().zip(numbers) {
            room.plugin_number = number;
        }
    }

    /// Whether a session of the strategy might start, as far as the strategy goes.
    pub fn lets(&self, strategy: usize) -> bool {
        self.strategy(strategy).is_some_and(|room| room.plugin && room.enabled)
            && self.left(strategy) > 0
            && self.left_of_plugin(strategy) > 0
    }

    /// Sessions that may be added to the node's.
    pub fn left_of_node(&self) -> usize {
        self.max.saturating_sub(self.sessions + self.asked)
    }

    /// Sessions that may be added to the strategy's, as far as its own bounds go.
    pub fn left(&self, strategy: usize) -> usize {
        let Some(room) = self.strategy(strategy) else { return 0 };
        let own = if room.max == 0 { usize::MAX } else { room.max.saturating_sub(room.taken()) };
        if !room.misbehaves {
            return own;
        }
        let theirs = self.strategies.iter().filter(|room| room.misbehaves).map(Room::taken).sum();
        own.min((self.max / MISBEHAVING_SHARE).max(1).saturating_sub(theirs))
    }

    /// Sessions that may be added to the strategy's, as far as its plugin's bound goes.
    pub fn left_of_plugin(&self, strategy: usize) -> usize {
        let Some(room) = self.strategy(strategy) else { return 0 };
        let Some(max) = room.plugin_max else { return usize::MAX };
        let siblings = self.strategies.iter().filter(|other| other.plugin_number == room.plugin_number);
        max.saturating_sub(siblings.map(Room::taken).sum())
    }

    pub fn run_the_same(&self, strategy: usize, other: usize) -> bool {
        let number = |strategy: usize| self.strategy(strategy).map(|room| room.plugin_number);
        strategy == other || number(strategy) == number(other)
    }

    /// A pull asks for so many.
    pub fn reserve(&mut self, strategy: usize, count: usize) {
        self.asked += count;
        if let Some(room) = self.strategy_mut(strategy) {
            room.asked += count;
        }
    }

    /// That pull is over.
    pub fn release(&mut self, strategy: usize, count: usize) {
        self.asked = self.asked.saturating_sub(count);
        if let Some(room) = self.strategy_mut(strategy) {
            room.asked = room.asked.saturating_sub(count);
        }
    }

    /// So many sessions are there, whether or not there is room.
    pub fn begin(&mut self, strategy: usize, count: usize) {
        self.sessions += count;
        if let Some(room) = self.strategy_mut(strategy) {
            room.sessions += count;
        }
    }

    /// One of them has ended.
    pub fn end(&mut self, strategy: usize) {
        self.sessions = self.sessions.saturating_sub(1);
        if let Some(room) = self.strategy_mut(strategy) {
            room.sessions = room.sessions.saturating_sub(1);
        }
    }

    #[cfg(test)]
    pub fn sessions(&self, strategy: usize) -> usize {
        self.strategies[strategy].sessions
    }
}
