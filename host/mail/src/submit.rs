//! Finds messages on disk.

use std::io;
use std::path::{Path, PathBuf};

/// Messages one path may lead to.
pub const MESSAGES_FOUND: usize = 1_000_000;

/// The messages at `path`, in the order of their names: the file itself, or the `.eml` files of a folder,
/// or, where it holds `new` or `cur` (a Maildir), every file in those. Folders inside are not entered.
///
/// # Errors
/// The path is not there or cannot be read, or holds more than [`MESSAGES_FOUND`].
pub fn message_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut is_maildir = false;
    // Older first: what was seen already lies in `cur`.
    for part in ["cur", "new"] {
        let folder = path.join(part);
        if folder.is_dir() {
            is_maildir = true;
            collect(&folder, |name| !name.starts_with('.'), &mut found)?;
        }
    }
    if !is_maildir {
        collect(path, |name| name.len() > 4 && name.to_ascii_lowercase().ends_with(".eml"), &mut found)?;
    }
    Ok(found)
}

fn collect(folder: &Path, wanted: impl Fn(&str) -> bool, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let begin = found.len();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) && std::fs::metadata(entry.path())?.is_file() {
            if found.len() == MESSAGES_FOUND {
                return Err(io::Error::other(format!("more than {MESSAGES_FOUND} messages; submit a part at a time")));
            }
            found.push(entry.path());
        }
    }
    if let Some(part) = found.get_mut(begin..) {
        part.sort();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let files = message_files(path).expect("readable");
        files.iter().map(|file| file.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_folders_and_maildirs_are_walked_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.eml", "a.EML", "notes.txt", ".eml"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        std::fs::create_dir(folder.path().join("c.eml")).expect("made");
        assert_eq!(names(folder.path()), ["a.EML", "b.eml"]);
        assert_eq!(names(&folder.path().join("notes.txt")), ["notes.txt"]);

        for name in ["new", "cur", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
        }
        for name in ["new/2", "cur/9:2,S", "new/1", "tmp/0", "cur/.hidden"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        assert_eq!(names(folder.path()), ["9:2,S", "1", "2"]);
        assert!(message_files(&folder.path().join("nothing")).is_err());
    }
}
