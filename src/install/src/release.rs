//! Where the images of Flatcar's releases are: URLs made of a channel, a board, a version and an OEM.

use std::fmt;

/// A release as `flatcar-install` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Instead of the channel's server and the board: a mirror, without a slash at its end.
    pub base: Option<String>,
    /// `stable`, `lts`, …
    pub channel: String,
    /// `amd64-usr` or `arm64-usr`.
    pub board: String,
    /// A number, or a name that the server resolves: `current`, `current-2022`.
    pub version: String,
    /// The OEM, empty for the plain image.
    pub oem: String,
}

/// Why no URL can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A part of the URL is not what such a part consists of.
    #[error(
        "{what} {given:?} cannot stand in a URL: letters, digits, \".\", \"-\", \"_\" and \"+\" can, and the first is a letter or a digit"
    )]
    Word {
        /// Which.
        what: &'static str,
        /// What was given.
        given: String,
    },
    /// `version.txt` says no version.
    #[error(
        "{url} has no line FLATCAR_VERSION=: the server does not know this channel, board or version, or is no mirror of Flatcar"
    )]
    NoVersion {
        /// Where it is.
        url: String,
    },
}

/// Largest `version.txt` that is read, in bytes. It has seven lines.
pub const VERSION_LIMIT: u64 = 64 << 10;

impl Release {
    /// Checks every word that becomes a part of the URL.
    pub fn check(&self) -> Result<(), ReleaseError> {
        word("channel", &self.channel)?;
        word("board", &self.board)?;
        word("version", &self.version)?;
        match self.oem.is_empty() {
            true => Ok(()),
            false => word("OEM", &self.oem),
        }
    }

    fn directory(&self) -> String {
        match &self.base {
            Some(base) => base.trim_end_matches('/').to_string(),
            None => format!(
                "https://{}.release.flatcar-linux.net/{}",
                self.channel, self.board
            ),
        }
    }

    /// Where the server says which version a name stands for; `None` for a number.
    pub fn version_url(&self) -> Option<String> {
        let numeric = self.version.starts_with(|c: char| c.is_ascii_digit());
        (!numeric).then(|| format!("{}/{}/version.txt", self.directory(), self.version))
    }

    /// The same release with the version that `version.txt` tells.
    pub fn resolved(self, text: &str) -> Result<Self, ReleaseError> {
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("FLATCAR_VERSION="))
            .map(|value| value.trim().trim_matches('"').to_string());
        let Some(version) = version.filter(|version| !version.is_empty()) else {
            let url = self.version_url().unwrap_or_default();
            return Err(ReleaseError::NoVersion { url });
        };
        word("version", &version)?;
        Ok(Self { version, ..self })
    }

    /// The name of the image's file.
    pub fn file_name(&self) -> String {
        match self.oem.as_str() {
            "" => "flatcar_production_image.bin.bz2".into(),
            oem => format!("flatcar_production_{oem}_image.bin.bz2"),
        }
    }

    /// Where the image is; its detached signature has `.sig` behind it.
    pub fn image_url(&self) -> String {
        format!("{}/{}/{}", self.directory(), self.version, self.file_name())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flatcar {} {}", self.channel, self.version)?;
        write!(f, " for {}", self.board)?;
        match self.oem.as_str() {
            "" => Ok(()),
            oem => write!(f, " with OEM {oem}"),
        }
    }
}

fn word(what: &'static str, given: &str) -> Result<(), ReleaseError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let first = given.starts_with(|c: char| c.is_ascii_alphanumeric());
    match first && given.chars().all(allowed) {
        true => Ok(()),
        false => Err(ReleaseError::Word {
            what,
            given: given.into(),
        }),
    }
}

/// What the running system says of itself, and what is installed where nothing else is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// `/usr/share/flatcar/release`, or older `/usr/share/coreos/release`.
    pub release: String,
    /// `/usr/share/flatcar/update.conf` and then `/etc/flatcar/update.conf`.
    pub update: String,
    /// `/etc/oem-release`, or where the image has it.
    pub oem_release: String,
    /// The processor as Rust calls it: `x86_64`, `aarch64`.
    pub architecture: String,
}

impl Running {
    /// The system's own channel, version, board and OEM; stable, current, the machine's board and none elsewhere.
    pub fn release(&self) -> Release {
        let of = |text: &str, name: &str| {
            text.lines()
                .filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
                .map(|value| value.trim().trim_matches(['"', '\'']).to_string())
                .rfind(|value| !value.is_empty())
        };
        let board = match self.architecture.as_str() {
            "aarch64" => "arm64-usr",
            _ => "amd64-usr",
        };
        Release {
            base: None,
            channel: of(&self.update, "GROUP").unwrap_or_else(|| "stable".into()),
            board: of(&self.release, "FLATCAR_RELEASE_BOARD").unwrap_or_else(|| board.into()),
            version: of(&self.release, "FLATCAR_RELEASE_VERSION")
                .unwrap_or_else(|| "current".into()),
            oem: of(&self.oem_release, "ID").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, oem: &str, base: Option<&str>) -> Release {
        Release {
            base: base.map(Into::into),
            channel: "stable".into(),
            board: "amd64-usr".into(),
            version: version.into(),
            oem: oem.into(),
        }
    }

    #[test]
    fn urls_are_those_of_the_script() {
        let stable = "https://stable.release.flatcar-linux.net/amd64-usr";
        for (version, oem, base, ask, image) in [
            (
                "4152.2.0",
                "",
                None,
                None,
                format!("{stable}/4152.2.0/flatcar_production_image.bin.bz2"),
            ),
            (
                "current",
                "",
                None,
                Some(format!("{stable}/current/version.txt")),
                format!("{stable}/4152.2.1/flatcar_production_image.bin.bz2"),
            ),
            (
                "current-2022",
                "vmware_raw",
                None,
                Some(format!("{stable}/current-2022/version.txt")),
                format!("{stable}/4152.2.1/flatcar_production_vmware_raw_image.bin.bz2"),
            ),
            (
                "current",
                "ami",
                Some("http://10.0.0.1:8080/mirror/"),
                Some("http://10.0.0.1:8080/mirror/current/version.txt".into()),
                "http://10.0.0.1:8080/mirror/4152.2.1/flatcar_production_ami_image.bin.bz2".into(),
            ),
        ] {
            let release = release(version, oem, base);
            release.check().unwrap();
            assert_eq!(release.version_url(), ask, "{version}");
            let text =
                "FLATCAR_BUILD=4152\nFLATCAR_VERSION=4152.2.1\nFLATCAR_VERSION_ID=4152.2.1\n";
            let release = match ask {
                Some(_) => release.resolved(text).unwrap(),
                None => release,
            };
            assert_eq!(release.image_url(), image);
        }
    }

    #[test]
    fn no_word_leads_out_of_its_place() {
        for wrong in ["", "../x", "a/b", "a b", "a?b", "ü", "-d", ".."] {
            assert!(release(wrong, "", None).check().is_err(), "{wrong}");
        }
        let answer = release("current", "", None).resolved("FLATCAR_VERSION=../../evil\n");
        assert!(answer.is_err());
        let answer = release("current", "", None).resolved("<html>404</html>");
        let said = answer.unwrap_err().to_string();
        assert!(said.contains("/current/version.txt has no line"), "{said}");
    }

    #[test]
    fn a_running_flatcar_installs_itself() {
        let elsewhere = Running {
            architecture: "aarch64".into(),
            ..Running::default()
        };
        assert_eq!(
            elsewhere.release().to_string(),
            "Flatcar stable current for arm64-usr"
        );
        let running = Running {
            release: "FLATCAR_RELEASE_VERSION=4230.2.1\nFLATCAR_RELEASE_BOARD=\"amd64-usr\"\n"
                .into(),
            update: "SERVER=x\nGROUP=stable\n# GROUP=alpha\nGROUP=beta\n".into(),
            oem_release: "NAME=\"x\"\nID=openstack\n".into(),
            architecture: "x86_64".into(),
        };
        assert_eq!(
            running.release().to_string(),
            "Flatcar beta 4230.2.1 for amd64-usr with OEM openstack"
        );
    }
}
