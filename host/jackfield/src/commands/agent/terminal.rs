//! An agent at a terminal: one line, one command. Numbers stand for what is on the desk, oldest first.

use std::io::Write;

use jackfield_protocol::v1::{EventInvite, Interaction};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Happening};
use super::letter;
use super::steps::Steps;
use super::talk::Talks;
use crate::{connect, output, text};

const HELP: &str = "\
accept [N]          take an invitation (the first one when no number is given)
reject [N]          let somebody else have it
list                what is on the desk
read [N]            the interaction in full
say [N] TEXT        answer the customer of a chat; what the customer says is shown when it comes
done [N]            it is finished
transfer [N] QUEUE  put it into a queue
park [N] WORKBIN    put it into your workbin of that type
bin WORKBIN         what is in your workbin
take ID             take an interaction out of a workbin
ready, break        be invited, or not
quit                log out; what you still have goes back to its queue";

/// What lies on the desks.
#[derive(Default)]
struct Table {
    invitations: Vec<(String, EventInvite)>,
    in_hand: Vec<(String, Interaction)>,
    talks: Talks,
}

/// Work until `quit`, the end of input, or `stop`.
///
/// # Errors
/// Standard output is closed.
pub async fn run(
    desks: &[Desk],
    mut happenings: mpsc::Receiver<(String, Happening)>,
    steps: &Steps,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut table = Table::default();
    output::line("type `help` for the commands")?;
    loop {
        prompt()?;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            Some((server, happening)) = happenings.recv() => {
                if output::is_terminal() {
                    output::line("")?;
                }
                complain_of(table.take_note(&server, happening, desks, steps).await)?;
            }
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    [] => {}
                    ["quit" | "exit"] => return Ok(()),
                    words => {
                        let done = match line.trim().strip_prefix("say ") {
                            Some(text) => table.say(text, desks, steps).await,
                            None => table.obey(words, desks, steps).await,
                        };
                        complain_of(done)?;
                    }
                }
            }
        }
    }
}

/// Refusals say what they come from themselves; only a closed output ends the work.
fn complain_of(done: anyhow::Result<()>) -> anyhow::Result<()> {
    match done {
        Err(error) if error.is::<std::io::Error>() => Err(error),
        Err(error) => {
            output::complain(&error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn desk_at<'d>(desks: &'d [Desk], server: &str) -> anyhow::Result<&'d Desk> {
    desks.iter().find(|desk| desk.server == server).ok_or_else(|| anyhow::anyhow!("there is no desk at {server}"))
}

fn prompt() -> anyhow::Result<()> {
    if output::is_terminal() {
        output::part("> ")?;
        std::io::stdout().flush()?;
    }
    Ok(())
}

impl Table {
    async fn take_note(
        &mut self,
        server: &str,
        happening: Happening,
        desks: &[Desk],
        steps: &Steps,
    ) -> anyhow::Result<()> {
        match happening {
            Happening::LoggedIn => steps.at_desk(server, "logged_in", ""),
            Happening::NotLoggedIn(reason) => steps.at_desk(server, "not_logged_in", &reason),
            Happening::Lost(reason) => {
                self.invitations.retain(|(from, _)| from != server);
                self.in_hand.retain(|(from, _)| from != server);
                steps.at_desk(server, "connection_lost", &reason)
            }
            Happening::Revoked { interaction, reason } => {
                let is_it = |other: &str| other == interaction;
                self.invitations
                    .retain(|(_, invite)| !invite.interaction.as_ref().is_some_and(|i| is_it(&i.interaction_id)));
                self.in_hand.retain(|(_, held)| !is_it(&held.interaction_id));
                self.talks.forget(&interaction);
                steps.at_desk(server, "revoked", &format!("{interaction} {reason}"))
            }
            Happening::Changed(interaction) => {
                match self.in_hand.iter_mut().find(|(_, held)| held.interaction_id == interaction.interaction_id) {
                    Some((_, held)) => held.clone_from(&interaction),
                    None => return Ok(()),
                }
                self.talks.go_on(desk_at(desks, server)?, &interaction, steps).await
            }
            Happening::Invited(invite) => {
                if let Some(interaction) = &invite.interaction {
                    let seconds = invite.timeout_ms / 1_000;
                    steps.about(server, "invited", interaction, &format!("{seconds} s to accept"))?;
                    if steps.for_people() {
                        output::line("`accept` takes it, `reject` lets somebody else have it")?;
                    }
                }
                self.invitations.push((server.to_owned(), *invite));
                Ok(())
            }
        }
    }

    async fn obey(&mut self, words: &[&str], desks: &[Desk], steps: &Steps) -> anyhow::Result<()> {
        let desk_of = |server: &str| desk_at(desks, server);
        match words {
            ["help" | "?"] => output::line(HELP),
            ["list"] => self.list(),
            ["accept", rest @ ..] => {
                let (server, invite) = take_out(&mut self.invitations, rest.first(), "invitation")?;
                let id = invite.interaction.map(|interaction| interaction.interaction_id).unwrap_or_default();
                let interaction = desk_of(&server)?.accept(invite.ticket_id, &id).await?;
                steps.about(&server, "accepted", &interaction, "")?;
                self.in_hand.push((server.clone(), interaction.clone()));
                self.talks.begin(desk_of(&server)?, &interaction, steps).await?;
                match (steps.for_people(), self.talks.has(&interaction)) {
                    (true, true) => output::line("`say TEXT` answers, `done` ends it"),
                    (true, false) => output::line("`read` shows it, `done` finishes it"),
                    (false, _) => Ok(()),
                }
            }
            ["reject", rest @ ..] => {
                let (server, invite) = take_out(&mut self.invitations, rest.first(), "invitation")?;
                let Some(interaction) = invite.interaction else { return Ok(()) };
                desk_of(&server)?.reject(invite.ticket_id, &interaction.interaction_id).await?;
                steps.about(&server, "rejected", &interaction, "")
            }
            ["read", rest @ ..] => {
                let (server, interaction) = at(&self.in_hand, rest.first())?;
                if !steps.for_people() {
                    return steps.about(server, "read", interaction, text::user_text(interaction, "Text"));
                }
                output::line(letter::show(interaction, connect::now_ms()))
            }
            ["done", rest @ ..] => {
                let (server, interaction) = at(&self.in_hand, rest.first())?.clone();
                self.talks.end(desk_of(&server)?, &interaction).await;
                desk_of(&server)?.done(&interaction.interaction_id).await?;
                self.gone(&interaction);
                steps.about(&server, "done", &interaction, "")
            }
            [verb @ ("transfer" | "park"), rest @ .., name] => {
                let (server, interaction) = at(&self.in_hand, rest.first())?.clone();
                let desk = desk_of(&server)?;
                if *verb == "transfer" {
                    desk.transfer(&interaction.interaction_id, name).await?;
                } else {
                    desk.put_into_workbin(&interaction.interaction_id, name).await?;
                }
                self.gone(&interaction);
                let step = if *verb == "transfer" { "transferred" } else { "parked" };
                steps.about(&server, step, &interaction, name)
            }
            ["bin", kind] => {
                for desk in desks {
                    for interaction in desk.workbin_content(kind).await? {
                        output::line(format!("{}: {}", desk.server, one_line(&interaction)))?;
                    }
                }
                Ok(())
            }
            ["take", id] => {
                for desk in desks {
                    if let Some(interaction) = desk.take(id).await? {
                        steps.about(&desk.server, "taken", &interaction, "")?;
                        self.in_hand.push((desk.server.clone(), interaction.clone()));
                        return self.talks.begin(desk, &interaction, steps).await;
                    }
                }
                anyhow::bail!("no server has {id} for you to take")
            }
            [verb @ ("ready" | "break")] => {
                for desk in desks {
                    desk.set_ready(*verb == "ready").await?;
                    steps.at_desk(&desk.server, if *verb == "ready" { "ready" } else { "not_ready" }, "")?;
                }
                Ok(())
            }
            _ => anyhow::bail!("`{}` is no command; `help` lists them", words.join(" ")),
        }
    }

    /// What stands after `say`: to the only chat in hand, or to the one whose number comes first.
    async fn say(&mut self, words: &str, desks: &[Desk], steps: &Steps) -> anyhow::Result<()> {
        let talks: Vec<usize> = (0..self.in_hand.len())
            .filter(|&index| self.in_hand.get(index).is_some_and(|(_, held)| self.talks.has(held)))
            .collect();
        let numbered = words.split_once(char::is_whitespace).and_then(|(number, rest)| {
            let index = number.parse::<usize>().ok()?.checked_sub(1)?;
            talks.contains(&index).then_some((index, rest))
        });
        let (index, words) = match (talks.as_slice(), numbered) {
            ([], _) => anyhow::bail!("there is no chat in hand"),
            ([only], _) => (*only, words),
            (_, Some(numbered)) => numbered,
            _ => anyhow::bail!("there are several chats; write `say N TEXT`, `list` has their numbers"),
        };
        let Some((server, interaction)) = self.in_hand.get(index).cloned() else { return Ok(()) };
        self.talks.say(desk_at(desks, &server)?, &interaction, words.trim(), steps).await
    }

    fn gone(&mut self, interaction: &Interaction) {
        self.talks.forget(&interaction.interaction_id);
        self.in_hand.retain(|(_, held)| held.interaction_id != interaction.interaction_id);
    }

    fn list(&self) -> anyhow::Result<()> {
        if self.invitations.is_empty() && self.in_hand.is_empty() {
            return output::line("nothing is on the desk");
        }
        for (index, (server, invite)) in self.invitations.iter().enumerate() {
            let shown = invite.interaction.as_ref().map(one_line).unwrap_or_default();
            output::line(format!("invitation {}  {server}: {shown}", index + 1))?;
        }
        for (index, (server, interaction)) in self.in_hand.iter().enumerate() {
            output::line(format!("in hand    {}  {server}: {}", index + 1, one_line(interaction)))?;
        }
        Ok(())
    }
}

/// The position that a number on the line means.
fn position(number: Option<&&str>, count: usize, what: &str) -> anyhow::Result<usize> {
    if count == 0 {
        anyhow::bail!("there is no {what}");
    }
    let Some(number) = number else { return Ok(0) };
    match number.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number - 1),
        _ => anyhow::bail!("`{number}` is no {what}; give a number from 1 to {count}"),
    }
}

fn take_out<T>(list: &mut Vec<T>, number: Option<&&str>, what: &str) -> anyhow::Result<T> {
    let position = position(number, list.len(), what)?;
    Ok(list.remove(position))
}

fn at<'l, T>(list: &'l [T], number: Option<&&str>) -> anyhow::Result<&'l T> {
    let what = "interaction in hand";
    list.get(position(number, list.len(), what)?).ok_or_else(|| anyhow::anyhow!("there is no {what}"))
}

fn one_line(interaction: &Interaction) -> String {
    let from = text::user_text(interaction, "FromAddress");
    let subject = text::user_text(interaction, "Subject");
    let (media, id) = (&interaction.media_type, &interaction.interaction_id);
    format!("{media} {id}  {}  {}", text::clip(from, 40), text::clip(subject, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_and_default_to_the_first() {
        assert_eq!(position(None, 2, "invitation").expect("the first"), 0);
        assert_eq!(position(Some(&"2"), 2, "invitation").expect("the second"), 1);
        for wrong in ["0", "3", "x"] {
            let error = position(Some(&wrong), 2, "invitation").expect_err("refused").to_string();
            assert!(error.contains("from 1 to 2"), "{error}");
        }
        assert!(position(None, 0, "invitation").is_err());
    }
}
