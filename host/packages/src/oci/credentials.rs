//! Who we are to a registry, as other tools have it written down.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

/// Where a login of this program's own stands in the environment.
const USER: &str = "JACKFIELD_REGISTRY_USER";
const PASSWORD: &str = "JACKFIELD_REGISTRY_PASSWORD";
/// What Docker Hub is called in those files.
const DOCKER_HUB: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// A name and a password, or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a login that is written down cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the login for {registry} in {file} cannot be used: {reason}; or set {USER} and {PASSWORD}")]
pub struct CredentialsError {
    registry: String,
    file: String,
    reason: String,
}

impl Login {
    /// The login for `registry`: `JACKFIELD_REGISTRY_USER` and `JACKFIELD_REGISTRY_PASSWORD` where they are
    /// set, else what `docker login` or `podman login` have stored: in the file that `REGISTRY_AUTH_FILE`
    /// names, or in `config.json` of `DOCKER_CONFIG`, or of `~/.docker`. None where nothing is stored.
    ///
    /// Blocks: it reads files, and may start a credential helper that they name.
    ///
    /// # Errors
    /// Something is stored, and cannot be used.
    pub fn find(registry: &str) -> Result<Option<Login>, CredentialsError> {
        Login::find_in(registry, |name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn find_in(
        registry: &str,
        environment: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Option<Login>, CredentialsError> {
        let text = |name| environment(name).and_then(|value| value.into_string().ok());
        if let Some(user) = text(USER) {
            return Ok(Some(Login { user, password: text(PASSWORD).unwrap_or_default() }));
        }
        let folder = || {
            let own = environment("HOME").map(|home| Path::new(&home).join(".docker"));
            environment("DOCKER_CONFIG").map(PathBuf::from).or(own)
        };
        let named = environment("REGISTRY_AUTH_FILE").map(PathBuf::from);
        let Some(file) = named.or_else(|| folder().map(|folder| folder.join("config.json"))) else { return Ok(None) };
        Login::read(registry, &file)
    }

    /// The login for `registry` that is stored in this file.
    fn read(registry: &str, file: &Path) -> Result<Option<Login>, CredentialsError> {
        let unusable = |reason: String| CredentialsError {
            registry: registry.to_owned(),
            file: file.display().to_string(),
            reason,
        };
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let key = if registry == DOCKER_HUB.0 { DOCKER_HUB.1 } else { registry };
        match docker_credential::get_credential_from_reader(io::BufReader::new(opened), key) {
            Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Login { user, password })),
            Ok(DockerCredential::IdentityToken(_)) => {
                Err(unusable("it is an identity token, which is not supported here".into()))
            }
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
            // What helpers say when they have none.
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("not found") => Ok(None),
            Err(CredentialRetrievalError::ConfigReadError) => Err(unusable("the file is not in their format".into())),
            Err(error) => Err(unusable(error.to_string().trim().to_lowercase())),
        }
    }
}

/// As oci-client takes it.
pub fn auth(login: Option<&Login>) -> RegistryAuth {
    match login {
        Some(login) => RegistryAuth::Basic(login.user.clone(), login.password.clone()),
        None => RegistryAuth::Anonymous,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::ffi::OsString;

    use super::*;

    fn find(registry: &str, environment: &[(&str, &Path)]) -> Result<Option<Login>, CredentialsError> {
        let environment: HashMap<_, OsString> =
            environment.iter().map(|(name, value)| (*name, value.as_os_str().to_owned())).collect();
        Login::find_in(registry, |name| environment.get(name).cloned())
    }

    #[test]
    fn from_where_it_is_written_first() {
        let folder = tempfile::tempdir().unwrap();
        // "kim:open sesame", "ana:shell"
        let docker = r#"{"auths": {"ghcr.io": {"auth": "a2ltOm9wZW4gc2VzYW1l"},
            "https://index.docker.io/v1/": {"auth": "YW5hOnNoZWxs"}, "broken.example": {"auth": "%"}}}"#;
        std::fs::write(folder.path().join("config.json"), docker).unwrap();
        let podman = folder.path().join("auth.json");
        std::fs::write(&podman, r#"{"auths": {"ghcr.io": {"auth": "YW5hOnNoZWxs"}}}"#).unwrap();
        let login = |user: &str, password: &str| Login { user: user.into(), password: password.into() };

        let docker = ("DOCKER_CONFIG", folder.path());
        assert_eq!(find("ghcr.io", &[docker]), Ok(Some(login("kim", "open sesame"))));
        assert_eq!(find("docker.io", &[docker]), Ok(Some(login("ana", "shell"))));
        assert_eq!(find("quay.io", &[docker]), Ok(None));
        assert_eq!(find("ghcr.io", &[docker, ("REGISTRY_AUTH_FILE", &podman)]), Ok(Some(login("ana", "shell"))));
        let own = [docker, (USER, Path::new("bo")), (PASSWORD, Path::new("blue"))];
        assert_eq!(find("ghcr.io", &own), Ok(Some(login("bo", "blue"))));
        assert_eq!(find("ghcr.io", &[("HOME", folder.path())]), Ok(None));
        assert_eq!(find("ghcr.io", &[]), Ok(None));
        assert!(!format!("{:?}", login("kim", "open sesame")).contains("sesame"));
    }

    #[test]
    fn what_cannot_be_used_says_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        for (text, why) in [
            ("{", "not in their format"),
            (r#"{"auths": {"ghcr.io": {"auth": "%"}}}"#, "decode"),
            (r#"{"auths": {"ghcr.io": {"identitytoken": "x"}}}"#, "identity token"),
            (r#"{"credsStore": "of-nobody-at-all"}"#, "helper"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = find("ghcr.io", &[("DOCKER_CONFIG", folder.path())]).expect_err(text).to_string();
            assert!(error.contains(why) && error.contains("config.json") && error.contains(USER), "{error}");
        }
    }
}
