//! The Wasm OCI layout: what a plugin's manifest and configuration say.
//!
//! After the working group's guidance, *Wasm OCI Artifact layout*
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>).

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use oci_client::annotations::{
    ORG_OPENCONTAINERS_IMAGE_CREATED, ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, ORG_OPENCONTAINERS_IMAGE_TITLE,
    ORG_OPENCONTAINERS_IMAGE_VERSION,
};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde::Serialize;
use wasmparser::{Parser, Payload};

use crate::PLUGIN_BYTES;
use crate::digest::{is_sha256, sha256};

/// The type of the configuration, by which registries and tools know a plugin for one.
const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The type of the one layer.
const LAYER_MEDIA_TYPE: &str = "application/wasm";
/// The annotation of the manifest that holds the signature of the file, as minisign writes it.
pub const SIGNATURE_ANNOTATION: &str = "io.jackfield.minisig";

/// What is published.
#[derive(Clone, Debug)]
pub struct Package {
    /// The file.
    pub bytes: Bytes,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// The text of its `.minisig`.
    pub signature: Option<String>,
    /// When this was published.
    pub created: SystemTime,
}

/// A package as a registry holds it: two blobs, and the manifest that names them.
pub(super) struct Laid {
    pub layer: Blob,
    pub config: Blob,
    pub manifest: Blob,
}

/// Bytes and their digest.
pub(super) struct Blob {
    pub digest: String,
    pub bytes: Bytes,
}

impl Blob {
    fn new(bytes: Bytes) -> Blob {
        Blob { digest: sha256(&bytes), bytes }
    }

    fn described(&self, media_type: &str) -> OciDescriptor {
        OciDescriptor {
            media_type: media_type.to_owned(),
            digest: self.digest.clone(),
            size: i64::try_from(self.bytes.len()).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: ComponentNames,
}

/// What a component takes and gives, by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct ComponentNames {
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Package {
    /// Lays it out.
    ///
    /// # Errors
    /// Why it cannot be: its file is no component.
    pub(super) fn lay_out(&self) -> Result<Laid, String> {
        let component = component_names(&self.bytes)?;
        let created = humantime::format_rfc3339_seconds(self.created).to_string();
        let layer = Blob::new(self.bytes.clone());
        let config = Config {
            created: created.clone(),
            architecture: "wasm",
            os: "wasip2",
            layer_digests: vec![layer.digest.clone()],
            component,
        };
        let config = Blob::new(serde_json::to_vec(&config).map_err(|error| error.to_string())?.into());
        let annotations = [
            (ORG_OPENCONTAINERS_IMAGE_TITLE, &self.name),
            (ORG_OPENCONTAINERS_IMAGE_VERSION, &self.version),
            (ORG_OPENCONTAINERS_IMAGE_DESCRIPTION, &self.description),
            (ORG_OPENCONTAINERS_IMAGE_CREATED, &created),
        ];
        let signature = self.signature.iter().map(|signature| (SIGNATURE_ANNOTATION, signature));
        let annotations = annotations.into_iter().chain(signature).filter(|(_, value)| !value.is_empty());
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: config.described(CONFIG_MEDIA_TYPE),
            layers: vec![layer.described(LAYER_MEDIA_TYPE)],
            annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.clone())).collect()),
            ..OciImageManifest::default()
        };
        let manifest = Blob::new(serde_json::to_vec(&manifest).map_err(|error| error.to_string())?.into());
        Ok(Laid { layer, config, manifest })
    }
}

/// What a manifest says of the plugin's file.
pub(super) struct Layer {
    /// `sha256:…` of the file.
    pub digest: String,
    /// Its bytes.
    pub size: u64,
    /// The text of its signature.
    pub signature: Option<String>,
}

/// Reads a manifest.
///
/// # Errors
/// Why it is none of a plugin.
pub(super) fn read_manifest(bytes: &[u8]) -> Result<Layer, String> {
    /// What all kinds of manifests have in common.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind = serde_json::from_slice(bytes).map_err(|error| format!("its manifest is no JSON: {error}"))?;
    if kind.manifests.is_some() {
        return Err("it is an index of several, as container images have for several kinds of machines".into());
    }
    if let Some(other) = kind.media_type.filter(|kind| kind != OCI_IMAGE_MEDIA_TYPE) {
        return Err(format!("its manifest is of the type {other:?}, not {OCI_IMAGE_MEDIA_TYPE}"));
    }
    let manifest: OciImageManifest =
        serde_json::from_slice(bytes).map_err(|error| format!("its manifest is none of OCI: {error}"))?;
    if manifest.config.media_type != CONFIG_MEDIA_TYPE {
        let found = manifest.config.media_type;
        return Err(format!("its configuration is of the type {found:?}, not {CONFIG_MEDIA_TYPE}"));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(format!("it has {} layers, not one", manifest.layers.len()));
    };
    if layer.media_type != LAYER_MEDIA_TYPE {
        return Err(format!("its layer is of the type {:?}, not {LAYER_MEDIA_TYPE}", layer.media_type));
    }
    if !is_sha256(&layer.digest) {
        return Err(format!("its layer has the digest {:?}, not one of SHA-256", layer.digest));
    }
    let size = u64::try_from(layer.size).map_err(|_| format!("its layer has a size of {}", layer.size))?;
    let mut annotations: BTreeMap<String, String> = manifest.annotations.unwrap_or_default();
    let signature = annotations.remove(SIGNATURE_ANNOTATION);
    Ok(Layer { digest: layer.digest.clone(), size, signature })
}

/// The names of what a component imports and exports.
fn component_names(bytes: &[u8]) -> Result<ComponentNames, String> {
    if bytes.len() as u64 > PLUGIN_BYTES {
        return Err(format!("it has {} bytes; a plugin has at most {PLUGIN_BYTES}", bytes.len()));
    }
    if !Parser::is_component(bytes) {
        return Err("it is no component; build it for the target wasm32-wasip2".into());
    }
    let damaged = |error: wasmparser::BinaryReaderError| format!("it is damaged: {error}");
    let mut names = ComponentNames::default();
    // How deep inside other components we are; only what the outermost one has counts.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// The empty component.
    const COMPONENT: &[u8] = &[0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    fn package(bytes: &'static [u8]) -> Package {
        Package {
            bytes: Bytes::from_static(bytes),
            name: "triage".into(),
            version: "1.2.0".into(),
            description: String::new(),
            signature: Some("untrusted comment: …".into()),
            created: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_laid_out_is_what_the_guidance_says_and_can_be_read() {
        let laid = package(COMPONENT).lay_out().unwrap();
        let config: Json = serde_json::from_slice(&laid.config.bytes).unwrap();
        let expected = json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [laid.layer.digest],
            "component": { "exports": [], "imports": [] },
        });
        assert_eq!(config, expected);
        let manifest: Json = serde_json::from_slice(&laid.manifest.bytes).unwrap();
        let expected = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": laid.config.digest,
                "size": laid.config.bytes.len(),
            },
            "layers": [{ "mediaType": "application/wasm", "digest": laid.layer.digest, "size": 8 }],
            "annotations": {
                "io.jackfield.minisig": "untrusted comment: …",
                "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
                "org.opencontainers.image.title": "triage",
                "org.opencontainers.image.version": "1.2.0",
            },
        });
        assert_eq!(manifest, expected);
        let layer = read_manifest(&laid.manifest.bytes).unwrap();
        assert_eq!((layer.digest, layer.size), (laid.layer.digest, 8));
        assert_eq!(layer.signature.as_deref(), Some("untrusted comment: …"));
    }

    #[test]
    fn manifests_of_other_things() {
        let right: Json = serde_json::from_slice(&package(COMPONENT).lay_out().unwrap().manifest.bytes).unwrap();
        let with = |pointer: &str, value: Json| {
            let mut manifest = right.clone();
            *manifest.pointer_mut(pointer).unwrap() = value;
            manifest
        };
        for (manifest, why) in [
            (json!("text"), "no JSON"),
            (json!({ "schemaVersion": 2, "manifests": [] }), "an index of several"),
            (json!({ "schemaVersion": 2 }), "none of OCI"),
            (with("/mediaType", json!("application/vnd.docker.distribution.manifest.v2+json")), "docker"),
            (with("/config/mediaType", json!("application/vnd.oci.image.config.v1+json")), "its configuration"),
            (with("/layers", json!([])), "0 layers, not one"),
            (with("/layers/0/mediaType", json!("application/vnd.oci.image.layer.v1.tar")), "its layer is of the type"),
            (with("/layers/0/digest", json!("sha512:00")), "not one of SHA-256"),
            (with("/layers/0/size", json!(-1)), "a size of -1"),
        ] {
            let error = read_manifest(manifest.to_string().as_bytes()).err().expect(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_components_are_laid_out() {
        for (bytes, why) in [
            (b"".as_slice(), "no component"),
            (b"\0asm\x01\0\0\0", "no component"),
            (b"\0asm\x0d\0\x01\0\x07\xff", "damaged"),
        ] {
            let error = package(bytes).lay_out().err().expect(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
