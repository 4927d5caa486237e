//! Stream metadata: the JSON document in which CoreOS lists its images (coreos/stream-metadata-go).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where streams are described, without anything else said.
pub const STREAM_BASE: &str = "https://builds.coreos.fedoraproject.org/streams/";

/// Largest document that is read, in bytes. Fedora's have 300 KB.
pub const STREAM_LIMIT: u64 = 16 << 20;

/// A stream.
#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    /// Its name.
    pub stream: String,
    #[serde(default)]
    architectures: BTreeMap<String, Architecture>,
}

#[derive(Debug, Clone, Deserialize)]
struct Architecture {
    #[serde(default)]
    artifacts: BTreeMap<String, Platform>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    release: String,
    #[serde(default)]
    formats: BTreeMap<String, BTreeMap<String, Artifact>>,
}

/// A file of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Artifact {
    /// Where it is.
    pub location: String,
    /// Where its detached signature is.
    pub signature: Option<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of what it holds, uncompressed.
    #[serde(rename = "uncompressed-sha256")]
    pub uncompressed_sha256: Option<String>,
}

/// A file of a stream with the words that it was chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its release.
    pub release: String,
    /// Architecture, platform and format.
    pub key: [String; 3],
    /// The file.
    pub artifact: Artifact,
}

/// Why a stream has no such file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The text is not what such a document is.
    #[error("this is no stream metadata: {0}")]
    Malformed(String),
    /// There is none of that name.
    #[error("the stream {stream} has no {what} {given:?}; it has {there}")]
    Absent {
        /// The stream.
        stream: String,
        /// What was looked for.
        what: &'static str,
        /// Its name.
        given: String,
        /// The names that there are.
        there: String,
    },
}

/// The URL of a stream's document.
pub fn url(base: Option<&str>, stream: &str) -> String {
    let base = base.unwrap_or(STREAM_BASE).trim_end_matches('/');
    format!("{base}/{stream}.json")
}

/// The name of an architecture as streams have it; they use the kernel's names.
pub fn architecture(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// The format of the image for a disk with sectors of so many bytes.
pub fn format(sector: u64) -> &'static str {
    match sector {
        4096 => "4k.raw.xz",
        _ => "raw.xz",
    }
}

impl Stream {
    /// Reads a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, StreamError> {
        serde_json::from_slice(bytes).map_err(|error| StreamError::Malformed(error.to_string()))
    }

    /// The disk image of an architecture, platform and format.
    pub fn choose(
        &self,
        architecture: &str,
        platform: &str,
        format: &str,
    ) -> Result<Chosen, StreamError> {
        let found = self
            .architectures
            .get(architecture)
            .ok_or_else(|| self.absent("architecture", architecture, self.architectures.keys()))?;
        let artifacts = found
            .artifacts
            .get(platform)
            .ok_or_else(|| self.absent("platform", platform, found.artifacts.keys()))?;
        let artifact = (artifacts.formats.get(format))
            .and_then(|files| files.get("disk"))
            .ok_or_else(|| self.absent("format", format, artifacts.formats.keys()))?;
        Ok(Chosen {
            release: artifacts.release.clone(),
            key: [architecture, platform, format].map(Into::into),
            artifact: artifact.clone(),
        })
    }

    /// All disk images, in the order of their names.
    pub fn list(&self, architecture: Option<&str>) -> Vec<Chosen> {
        let mut list = Vec::new();
        for (name, found) in &self.architectures {
            if architecture.is_some_and(|wanted| wanted != name) {
                continue;
            }
            for (platform, artifacts) in &found.artifacts {
                for (format, files) in &artifacts.formats {
                    list.extend(files.get("disk").map(|artifact| Chosen {
                        release: artifacts.release.clone(),
                        key: [name, platform, format].map(Clone::clone),
                        artifact: artifact.clone(),
                    }));
                }
            }
        }
        list
    }

    fn absent<'a>(
        &self,
        what: &'static str,
        given: &str,
        there: impl Iterator<Item = &'a String>,
    ) -> StreamError {
        let there: Vec<&str> = there.map(String::as_str).collect();
        StreamError::Absent {
            stream: self.stream.clone(),
            what,
            given: given.into(),
            there: match there.is_empty() {
                true => "none".into(),
                false => there.join(", "),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = r#"{"stream": "stable", "metadata": {"last-modified": "x"}, "architectures": {"x86_64": {
        "artifacts": {"metal": {"release": "42.1", "formats": {
            "iso": {"disk": {"location": "https://h/x.iso", "sha256": "00"}},
            "raw.xz": {"disk": {"location": "https://h/x.raw.xz", "signature": "https://h/x.raw.xz.sig",
                "sha256": "11", "uncompressed-sha256": "22"}},
            "4k.raw.xz": {"disk": {"location": "https://h/x-4k.raw.xz", "sha256": "33"}}}}},
        "images": {"aws": {}}}}}"#;

    #[test]
    fn a_disk_gets_the_image_of_its_sectors() {
        let stream = Stream::parse(STREAM.as_bytes()).unwrap();
        for (sector, location) in [(512, "https://h/x.raw.xz"), (4096, "https://h/x-4k.raw.xz")] {
            let chosen = stream.choose("x86_64", "metal", format(sector)).unwrap();
            assert_eq!(chosen.artifact.location, location);
            assert_eq!(chosen.release, "42.1");
        }
        assert_eq!(stream.list(None).len(), 3);
        assert!(stream.list(Some("s390x")).is_empty());
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let stream = Stream::parse(STREAM.as_bytes()).unwrap();
        for (key, words) in [
            (
                ["s390x", "metal", "raw.xz"],
                "has no architecture \"s390x\"; it has x86_64",
            ),
            (
                ["x86_64", "qemu", "raw.xz"],
                "has no platform \"qemu\"; it has metal",
            ),
            (
                ["x86_64", "metal", "qcow2"],
                "has no format \"qcow2\"; it has 4k.raw.xz, iso, raw.xz",
            ),
        ] {
            let said = stream
                .choose(key[0], key[1], key[2])
                .unwrap_err()
                .to_string();
            assert!(said.ends_with(words), "{said}");
        }
        for wrong in ["", "[]", "{}", "{\"stream\": 1}", "<html>"] {
            assert!(Stream::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        // serde_json's own bound of depth.
        let deep = format!("{{\"stream\": \"s\", \"x\": {}", "[".repeat(100_000));
        assert!(Stream::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn streams_have_urls() {
        for (base, url_of) in [
            (
                None,
                "https://builds.coreos.fedoraproject.org/streams/next.json",
            ),
            (Some("http://m/s/"), "http://m/s/next.json"),
        ] {
            assert_eq!(url(base, "next"), url_of);
        }
    }
}
