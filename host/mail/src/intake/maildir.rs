//! From a Maildir: `new` is looked at again and again; what was taken goes to `cur`, as read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};

use super::{Intake, Taken, milliseconds, write_reason};
use crate::spool::sync_folder;

/// Messages of one look; the others are for the next.
const MESSAGES_A_LOOK: usize = 1_000;

impl Intake {
    pub(super) async fn take_from_maildir(&self, maildir: &Path) {
        let mut troubled = false;
        loop {
            let folder = maildir.to_owned();
            let found = match crate::blocking(move || waiting(&folder)).await {
                Ok(found) => found,
                Err(error) => {
                    if !std::mem::replace(&mut troubled, true) {
                        let maildir = maildir.display();
                        tracing::warn!(media_server = self.media_server, %maildir, %error, "the Maildir cannot be read");
                    }
                    tokio::time::sleep(self.settings.look_every).await;
                    continue;
                }
            };
            let looked_at_all = found.len() < MESSAGES_A_LOOK;
            let taken = stream::iter(found)
                .map(|name| self.take(maildir, name))
                .buffer_unordered(self.settings.at_once.max(1))
                .filter_map(|result| async move { result.is_ok().then_some(()) })
                .count()
                .await;
            if looked_at_all || taken == 0 {
                tokio::time::sleep(self.settings.look_every).await;
            }
        }
    }

    /// One file of `new`. It stays there when something is wrong with the disk.
    async fn take(&self, maildir: &Path, name: String) -> io::Result<()> {
        let path = maildir.join("new").join(&name);
        let done = async {
            let metadata = tokio::fs::metadata(&path).await?;
            let taken = match self.too_large(metadata.len()) {
                Some(aside) => aside,
                // When it came to lie here: the same at each attempt.
                None => self.hand_in(&tokio::fs::read(&path).await?, milliseconds(metadata.modified()?)).await,
            };
            if let Taken::Aside(reason) = &taken {
                self.put_aside(&path.display().to_string(), reason);
            }
            let (maildir, name) = (maildir.to_owned(), name.clone());
            crate::blocking(move || move_away(&maildir, &name, &taken)).await
        };
        match done.await {
            // Somebody else took it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                tracing::warn!(media_server = self.media_server, file = %path.display(), %error, "it stays where it is");
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Names in `new`, older ones first.
fn waiting(maildir: &Path) -> io::Result<Vec<String>> {
    for folder in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(folder))?;
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(maildir.join("new"))? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && entry.file_type()?.is_file()
        {
            names.push(name);
        }
        if names.len() == MESSAGES_A_LOOK {
            break;
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn move_away(maildir: &Path, name: &str, taken: &Taken) -> io::Result<()> {
    let from = maildir.join("new").join(name);
    let folder: PathBuf = match taken {
        Taken::In => {
            let unique = name.split(":2,").next().unwrap_or(name);
            fs::rename(from, maildir.join("cur").join(format!("{unique}:2,S")))?;
            maildir.join("cur")
        }
        Taken::Aside(reason) => {
            let aside = maildir.join(".jackfield/aside");
            write_reason(&aside, name, reason)?;
            fs::rename(from, aside.join(name))?;
            aside
        }
    };
    sync_folder(&folder)
}
