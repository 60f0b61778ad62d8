//! `jackfield publish`: a plugin into a registry.

use std::time::SystemTime;

use anyhow::Context;
use jackfield_packages::oci::{Package, Progress, Purpose};
use jackfield_packages::signature;
use serde_json::json;

use super::registry::{connect, failed, kibibytes, shown};
use super::versions::Versions;
use crate::cli::{Global, Publish};
use crate::config::Site;
use crate::exit::{Exit, Usage};
use crate::output;

/// Publish it.
///
/// # Errors
/// It is no plugin, its signature is none, or the registry cannot be reached or refuses.
pub async fn publish(global: &Global, arguments: Publish) -> anyhow::Result<Exit> {
    let reference = &arguments.reference;
    if reference.digest().is_some() {
        return Err(Usage(format!("{reference}: the digest follows from the plugin; name a tag only")).into());
    }
    // The limits of a site play no part: what is published is for any.
    let plugin = Versions::new(&Site::default())?.engine().load(&arguments.file).await?;
    let signature = signature_of(&arguments)?;
    let package = Package {
        bytes: bytes::Bytes::from_owner(std::sync::Arc::clone(plugin.bytes())),
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        description: plugin.description().to_owned(),
        signature,
        created: SystemTime::now(),
    };
    let registry = connect(reference, arguments.insecure, Purpose::Publish).await?;
    let progress = Progress::default();
    let manifest = shown("publishing", reference, &progress, registry.publish(&package)).await.map_err(failed)?;
    let pinned = reference.pinned(&manifest);
    if global.json {
        output::line(
            json!({
                "plugin": plugin.name(),
                "version": plugin.version(),
                "reference": reference.to_string(),
                "manifest": manifest,
                "content": format!("sha256:{}", plugin.digest()),
                "bytes": package.bytes.len(),
                "signed": package.signature.is_some(),
            })
            .to_string(),
        )?;
    } else {
        output::line(format!(
            "{} {} published as {reference}, {}, {}\npinned: {pinned}",
            plugin.name(),
            plugin.version(),
            kibibytes(package.bytes.len() as u64),
            if package.signature.is_some() { "with its signature" } else { "unsigned" },
        ))?;
    }
    Ok(Exit::Done)
}

/// The signature that goes with it.
fn signature_of(arguments: &Publish) -> anyhow::Result<Option<String>> {
    let text = match &arguments.signature {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            Some(text.with_context(|| format!("the signature {} cannot be read", file.display()))?)
        }
        None => signature::read_beside(&arguments.file).with_context(|| arguments.file.display().to_string())?,
    };
    match text {
        Some(text) if !signature::is_signature(&text) => {
            Err(signature::SignatureError::Malformed).with_context(|| arguments.file.display().to_string())
        }
        text => Ok(text),
    }
}
