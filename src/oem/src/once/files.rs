//! Writing what the platform says to files: each whole or not at all.

use std::path::Path;

use pilotlight_core::model::Metadata;
use pilotlight_providers::Platform;

use super::attributes::{Names, lines};

/// What Container Linux called Flatcar's file of attributes; units of users read it by this name.
const FORMER: &str = "coreos";

/// Puts a file in place that everybody may read, and makes the directories above it. A stream such as /dev/stdout
/// is written to.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let broken = |error| format!("while writing {}: {error}", path.display());
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
        pilotlight_sys::shared_directory(parent).map_err(broken)?;
    }
    pilotlight_sys::replace_file(path, text.as_bytes(), 0o644).map_err(broken)
}

/// Writes the attributes. Answers what was done. An answer without any takes no others away: a service that knows
/// nothing of the machine looks like one that has forgotten it.
pub fn attributes(path: &Path, said: &Metadata, names: Names) -> Result<String, String> {
    let text = lines(said, names);
    if text.is_empty() && is_filled(path) {
        return Ok(format!(
            "the platform tells no attributes: {} stays as it was",
            path.display()
        ));
    }
    write(path, &text)?;
    if names == Names::Flatcar {
        link(path)?;
    }
    Ok(format!(
        "wrote {} attributes to {}",
        said.attributes.len(),
        path.display()
    ))
}

fn is_filled(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0)
}

/// Leads the former name to a file.
fn link(path: &Path) -> Result<(), String> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(());
    };
    // A stream has no name that anybody would read again.
    if name == FORMER || !path.is_file() {
        return Ok(());
    }
    let directory = match directory == Path::new("") {
        true => Path::new("."),
        false => directory,
    };
    pilotlight_sys::replace_link(directory, FORMER, name).map_err(|error| {
        let link = directory.join(FORMER);
        format!("while linking {} to {name}: {error}", link.display())
    })
}

/// Writes the host name, where there is one.
pub fn hostname(path: &Path, platform: Platform, said: &Metadata) -> Result<String, String> {
    let Some(name) = &said.hostname else {
        return Ok(format!(
            "{} gives this machine no host name: {} is not written",
            platform.name(),
            path.display()
        ));
    };
    write(path, &format!("{name}\n"))?;
    Ok(format!("wrote the host name {name} to {}", path.display()))
}

/// Writes the units of systemd-networkd, where there are any.
pub fn network_units(
    directory: &Path,
    platform: Platform,
    said: &Metadata,
) -> Result<String, String> {
    let count = pilotlight_host::write_network_units(directory, platform, said)?;
    Ok(match count {
        0 => format!(
            "{} describes no network for systemd-networkd: nothing is written to {}",
            platform.name(),
            directory.display()
        ),
        _ => format!("wrote {count} network units to {}", directory.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn said() -> Metadata {
        let mut said = Metadata::default();
        said.attribute("AWS_REGION", Some("x"));
        said
    }

    #[test]
    fn attributes_are_for_everybody_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/metadata/afterburn");
        attributes(&path, &said(), Names::Afterburn).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "AFTERBURN_AWS_REGION=x\n"
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o644);
        assert_eq!(mode(&dir.path().join("run")), 0o755);
        assert_eq!(mode(&dir.path().join("run/metadata")), 0o755);
        assert!(!dir.path().join("run/metadata/coreos").exists());
    }

    #[test]
    fn an_answer_without_attributes_takes_none_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attributes");
        let nothing = Metadata::default();
        attributes(&path, &nothing, Names::Afterburn).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        attributes(&path, &said(), Names::Afterburn).unwrap();
        let done = attributes(&path, &nothing, Names::Afterburn).unwrap();
        assert_eq!(
            done,
            format!(
                "the platform tells no attributes: {} stays as it was",
                path.display()
            )
        );
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "AFTERBURN_AWS_REGION=x\n"
        );
    }

    #[test]
    fn the_former_name_leads_to_flatcars_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flatcar");
        for _ in 0..2 {
            attributes(&path, &said(), Names::Flatcar).unwrap();
        }
        let link = dir.path().join("coreos");
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("flatcar"));
        assert_eq!(
            std::fs::read_to_string(&link).unwrap(),
            "COREOS_EC2_REGION=x\n"
        );
        std::fs::remove_file(&link).unwrap();
        attributes(&link, &said(), Names::Flatcar).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
        // Beside a stream nothing is linked.
        attributes(Path::new("/dev/null"), &said(), Names::Flatcar).unwrap();
        assert!(!Path::new("/dev/coreos").exists());
    }

    #[test]
    fn no_host_name_writes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hostname");
        std::fs::write(&path, "old\n").unwrap();
        hostname(&path, Platform::Aws, &said()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
        let mut named = said();
        named.set_hostname(Some("vm-1"));
        hostname(&path, Platform::Aws, &named).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "vm-1\n");
    }
}
