//! An agent at a terminal: one line, one command. Numbers stand for what is on the desk, oldest first.

use std::io::Write;

use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{EventInvite, Interaction};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Happening};
use super::steps::Steps;
use crate::{connect, output, text};

/// Longest text of an interaction that is shown; the rest is cut.
const TEXT_CHARACTERS: usize = 8_000;

const HELP: &str = "\
accept [N]          take an invitation (the first one when no number is given)
reject [N]          let somebody else have it
list                what is on the desk
read [N]            the interaction in full
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
                table.take_note(&server, happening, steps)?;
            }
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    [] => {}
                    ["quit" | "exit"] => return Ok(()),
                    words => {
                        if let Err(error) = table.obey(words, desks, steps).await {
                            if error.is::<std::io::Error>() {
                                return Err(error);
                            }
                            output::complain(&format!("{error:#}"));
                        }
                    }
                }
            }
        }
    }
}

fn prompt() -> anyhow::Result<()> {
    if output::is_terminal() {
        output::part("> ")?;
        std::io::stdout().flush()?;
    }
    Ok(())
}

impl Table {
    fn take_note(&mut self, server: &str, happening: Happening, steps: &Steps) -> anyhow::Result<()> {
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
                steps.at_desk(server, "revoked", &format!("{interaction} {reason}"))
            }
            Happening::Invited(invite) => {
                if let Some(interaction) = &invite.interaction {
                    let seconds = invite.timeout_ms / 1_000;
                    steps.about(server, "invited", interaction, &format!("{seconds} s to accept"))?;
                }
                self.invitations.push((server.to_owned(), *invite));
                Ok(())
            }
        }
    }

    async fn obey(&mut self, words: &[&str], desks: &[Desk], steps: &Steps) -> anyhow::Result<()> {
        let desk_of = |server: &str| {
            desks
                .iter()
                .find(|desk| desk.server == server)
                .ok_or_else(|| anyhow::anyhow!("there is no desk at {server}"))
        };
        match words {
            ["help" | "?"] => output::line(HELP),
            ["list"] => self.list(),
            ["accept", rest @ ..] => {
                let (server, invite) = take_out(&mut self.invitations, rest.first(), "invitation")?;
                let id = invite.interaction.map(|interaction| interaction.interaction_id).unwrap_or_default();
                let interaction = desk_of(&server)?.accept(invite.ticket_id, &id).await?;
                steps.about(&server, "accepted", &interaction, "")?;
                self.in_hand.push((server, interaction));
                Ok(())
            }
            ["reject", rest @ ..] => {
                let (server, invite) = take_out(&mut self.invitations, rest.first(), "invitation")?;
                let Some(interaction) = invite.interaction else { return Ok(()) };
                desk_of(&server)?.reject(invite.ticket_id, &interaction.interaction_id).await?;
                steps.about(&server, "rejected", &interaction, "")
            }
            ["read", rest @ ..] => {
                let (_, interaction) = at(&self.in_hand, rest.first())?;
                output::line(show(interaction))
            }
            ["done", rest @ ..] => {
                let (server, interaction) = at(&self.in_hand, rest.first())?.clone();
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
                        self.in_hand.push((desk.server.clone(), interaction));
                        return Ok(());
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

    fn gone(&mut self, interaction: &Interaction) {
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

/// An interaction for reading: headings first, then its text, then what else is attached.
fn show(interaction: &Interaction) -> String {
    const HEADINGS: [&str; 5] = ["FromPersonal", "FromAddress", "To", "Cc", "Subject"];
    let mut shown = format!(
        "{} {}  received {} ago, queue {}\n",
        interaction.media_type,
        interaction.interaction_id,
        text::time(connect::now_ms() - interaction.received_at),
        interaction.queue
    );
    for key in HEADINGS {
        let value = text::user_text(interaction, key);
        if !value.is_empty() {
            shown.push_str(&format!("{key:>14}: {}\n", text::clip(value, 200)));
        }
    }
    let body = text::user_text(interaction, "Text");
    let cut: String = text::printable(body).chars().take(TEXT_CHARACTERS).collect();
    shown.push_str(&format!("\n{}\n\n", cut.trim_end()));
    for pair in interaction.user_data.iter().flat_map(|data| &data.pairs) {
        let key = pair.key.as_str();
        if key == "Text" || HEADINGS.contains(&key) || key.starts_with("Header_") {
            continue;
        }
        let value = match &pair.value {
            Some(Value::Text(text)) => text::clip(text, 100),
            Some(Value::Integer(integer)) => integer.to_string(),
            Some(Value::Binary(bytes)) => format!("{} bytes", bytes.len()),
            Some(Value::List(list)) => text::clip(&list.to_json().to_string(), 100),
            None => continue,
        };
        shown.push_str(&format!("{:>24}: {value}\n", text::clip(key, 24)));
    }
    shown.trim_end().to_owned()
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

    #[test]
    fn a_hostile_mail_cannot_drive_the_terminal() {
        let data = [("Subject", "hi\u{1b}]0;x\u{7}"), ("Text", "a\u{1b}[2Jb")].into_iter().collect();
        let interaction = Interaction { user_data: Some(data), ..Interaction::default() };
        let shown = show(&interaction);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    }
}
