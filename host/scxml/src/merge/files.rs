//! Where files come from: a folder, or a map in tests.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder that Composer generates documents into.
const GENERATED: &str = "src-gen";

/// Gives the files of one project.
pub trait Files {
    /// The file at `path` below the project's folder: parts divided by `/`, none of them `.` or `..`.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is not in the project.
    fn read(&self, path: &str) -> Result<String, FileError>;
}

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// It is a link out of the project's folder.
    #[error("it leads out of the project's folder")]
    Outside,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It has more bytes than this.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// It is no text.
    #[error("it is not in UTF-8")]
    NoText,
}

/// The files below a folder. Links are followed as long as they stay below it.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    most: u64,
}

impl Folder {
    /// The folder at `root`; files of more than `most` bytes are refused.
    ///
    /// # Errors
    /// It is not there.
    pub fn new(root: &Path, most: u64) -> std::io::Result<Folder> {
        Ok(Folder { root: root.canonicalize()?, most })
    }

    /// The folder of the project that the document at `path` belongs to, and the document's path in it: the folder it
    /// is in, or for documents in a `src-gen`, which is where Composer generates them, the folder above that.
    pub fn project_of(path: &Path) -> (PathBuf, String) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if folder.file_name().is_some_and(|name| name == GENERATED) {
            let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return (above.to_owned(), format!("{GENERATED}/{file}"));
        }
        let is_generated =
            folder.canonicalize().is_ok_and(|full| full.file_name().is_some_and(|name| name == GENERATED));
        if is_generated {
            return (folder.join(".."), format!("{GENERATED}/{file}"));
        }
        (folder.to_owned(), file)
    }

    /// The path below this folder of the document at `path`.
    ///
    /// # Errors
    /// It is not there, or not in this folder.
    pub fn path_of(&self, path: &Path) -> Result<String, FileError> {
        let full = path.canonicalize().map_err(|_| FileError::Missing)?;
        let inner = full.strip_prefix(&self.root).map_err(|_| FileError::Outside)?;
        let parts: Vec<_> = inner.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        Ok(parts.join("/"))
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, FileError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => FileError::Missing,
            _ => FileError::Unreadable(error.to_string()),
        };
        let full = self.root.join(path).canonicalize().map_err(unreadable)?;
        if !full.starts_with(&self.root) {
            return Err(FileError::Outside);
        }
        let file = std::fs::File::open(&full).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(FileError::Unreadable("it is no file".to_owned()));
        }
        let mut bytes = Vec::new();
        let read = file.take(self.most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if read as u64 > self.most {
            return Err(FileError::TooLarge(self.most));
        }
        String::from_utf8(bytes).map_err(|_| FileError::NoText)
    }
}

/// Files by their paths.
impl Files for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.get(path).cloned().ok_or(FileError::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_project_are_read_and_links_do_not_lead_out() {
        let around = tempfile::tempdir().unwrap();
        let project = around.path().join("project");
        std::fs::create_dir_all(project.join("pages")).unwrap();
        std::fs::write(around.path().join("secret"), "secret").unwrap();
        std::fs::write(project.join("pages/a.scxml"), "<a/>").unwrap();
        std::fs::write(project.join("large"), "12345678901").unwrap();
        std::fs::write(project.join("binary"), [0xff, 0xfe]).unwrap();
        let folder = Folder::new(&project, 10).unwrap();
        assert_eq!(folder.read("pages/a.scxml"), Ok("<a/>".to_owned()));
        assert_eq!(folder.read("none"), Err(FileError::Missing));
        assert_eq!(folder.read("large"), Err(FileError::TooLarge(10)));
        assert_eq!(folder.read("binary"), Err(FileError::NoText));
        assert!(matches!(folder.read("pages"), Err(FileError::Unreadable(_))));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../../secret", project.join("pages/link")).unwrap();
            std::os::unix::fs::symlink("a.scxml", project.join("pages/inner")).unwrap();
            assert_eq!(folder.read("pages/link"), Err(FileError::Outside));
            assert_eq!(folder.read("pages/inner"), Ok("<a/>".to_owned()));
        }
        assert_eq!(folder.path_of(&project.join("pages/../pages/a.scxml")), Ok("pages/a.scxml".to_owned()));
        assert_eq!(folder.path_of(&around.path().join("secret")), Err(FileError::Outside));
    }

    #[test]
    fn a_generated_document_belongs_to_the_folder_above() {
        let of = |path: &str| Folder::project_of(Path::new(path));
        assert_eq!(of("app/src-gen/Main.scxml"), (PathBuf::from("app"), "src-gen/Main.scxml".to_owned()));
        assert_eq!(of("src-gen/Main.scxml"), (PathBuf::from("."), "src-gen/Main.scxml".to_owned()));
        assert_eq!(of("app/Main.scxml"), (PathBuf::from("app"), "Main.scxml".to_owned()));
        assert_eq!(of("Main.scxml"), (PathBuf::from("."), "Main.scxml".to_owned()));
    }
}
