//! A view as it was translated, or what is wrong with it.

use super::ViewProblem;
use super::property::{Properties, Property};
use super::text::{self, Problem};
use super::translate::{Rendered, Translator};
use crate::settings;

/// A view that can be used.
pub(super) struct Definition {
    /// Its queue.
    pub(super) queue: String,
    /// Parts of the condition that are the same at any time: worked out once, when an entry comes.
    pub(super) lasting: Vec<Rendered>,
    /// Parts that depend on the time: worked out at each pull.
    pub(super) timed: Vec<Rendered>,
    /// What comes after `order by`.
    pub(super) order: Rendered,
    /// The order, where an index can keep it.
    pub(super) index_order: Option<String>,
    /// Whether it is the order of the key.
    pub(super) is_default_order: bool,
    /// The properties it names.
    pub(super) used: Vec<Property>,
}

/// The order of a pull where the view says nothing (reference, *View properties*).
pub(super) const DEFAULT_ORDER: &str = "priority desc, received_at, id";

impl Definition {
    pub(super) fn read(view: &settings::View, properties: &Properties) -> Result<Definition, ViewProblem> {
        let problem = |part: &'static str| {
            move |problem: Problem| ViewProblem {
                view: view.name.clone(),
                part,
                message: problem.message,
                line: problem.line,
                column: problem.column,
            }
        };
        let mut translator = Translator::new(properties);
        let condition = match text::condition(&view.condition).map_err(problem("condition"))? {
            Some(expression) => translator.condition(&expression).map_err(problem("condition"))?,
            None => Vec::new(),
        };
        let (timed, lasting) = condition.into_iter().partition(Rendered::is_timed);
        let terms = text::order(&view.order).map_err(problem("order"))?;
        let is_default_order = terms.is_none();
        let mut order = Rendered { sql: DEFAULT_ORDER.into(), bound: Vec::new() };
        let mut is_indexable = true;
        if let Some(terms) = terms {
            order.sql.clear();
            for term in &terms {
                let term = translator.order_term(term).map_err(problem("order"))?;
                order.sql.push_str(&term.rendered.sql);
                order.sql.push_str(", ");
                order.bound.extend(term.rendered.bound);
                is_indexable &= term.is_column;
            }
            // So that the order is one, whatever the terms.
            order.sql.push_str("id");
        }
        Ok(Definition {
            queue: view.queue.clone(),
            lasting,
            timed,
            index_order: is_indexable.then(|| order.sql.clone()),
            order,
            is_default_order,
            used: translator.used(),
        })
    }

    /// The query as people know it: what is asked of every view, its condition, its order.
    pub(super) fn sql(&self) -> String {
        let mut sql = String::from("state = 0 and is_locked = 0 and queue = ? and tenant_id = ? and is_held <= ?");
        for part in self.lasting.iter().chain(&self.timed) {
            sql.push_str(" and ");
            sql.push_str(&part.sql);
        }
        sql.push_str(" order by ");
        sql.push_str(&self.order.sql);
        sql
    }
}
