//! `detect` and `metadata`: which platform this is, and what it says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_core::{cmdline, model};
use pilotlight_host::{Choice, Machine, command_line};
use pilotlight_providers::Platform;

use crate::out::out;

/// How `detect` is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detect {
    /// Print JSON, with all evidence.
    pub json: bool,
    /// Print the variables for the units of the initramfs.
    pub env: bool,
    /// Print the words of the kernel command line, one a line.
    pub words: bool,
    /// Print the network arguments that the machine's owner has given the hypervisor for it, one a line.
    pub network_kargs: bool,
    /// Look at sys and proc below this directory.
    pub root: PathBuf,
    /// Read the kernel command line from this file.
    pub cmdline: Option<PathBuf>,
}

/// How `metadata` is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The platform; without it, the one that is detected.
    pub platform: Option<Platform>,
    /// Print JSON.
    pub json: bool,
    /// Write the attributes to this file.
    pub attributes: Option<PathBuf>,
    /// Write units of systemd-networkd to this directory.
    pub network_units: Option<PathBuf>,
}

/// Says what the machine is.
pub fn detect(given: &Detect) -> anyhow::Result<ExitCode> {
    if given.words {
        let line =
            command_line(&given.root, given.cmdline.as_deref()).map_err(anyhow::Error::msg)?;
        // A line break within quotation marks is no end of a word.
        let words = cmdline::words(&line).into_iter();
        let words: Vec<String> = words.map(|word| word.replace('\n', " ") + "\n").collect();
        out(&words.concat())?;
        return Ok(ExitCode::SUCCESS);
    }
    let choice = Choice::of(&given.root, given.cmdline.as_deref()).map_err(anyhow::Error::msg)?;
    if given.network_kargs {
        return network_kargs(given, &choice);
    }
    if given.env {
        // An unknown name goes on to the stages, which say so on the console: here nobody would read it.
        let id = choice
            .platform
            .as_ref()
            .map_or(choice.written.as_str(), |platform| platform.name());
        out(&format!(
            "OEM_ID={}\nPLATFORM_ID={id}\nFIRST_BOOT={}\n",
            choice.written,
            choice.first_boot.name()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let platform = choice
        .platform
        .map_err(anyhow::Error::msg)
        .context(choice.because.clone())?;
    if given.json {
        let json = serde_json::json!({
            "platform": platform.name(),
            "because": choice.because,
            "evidence": choice.evidence,
        });
        out(&format!("{json:#}\n"))?;
    } else {
        out(&format!(
            "{}, because {}\n",
            platform.name(),
            choice.because
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the network arguments of the hypervisor's, unless the kernel command line configures the network itself.
/// An unknown platform has none: the stages say that it is unknown.
fn network_kargs(given: &Detect, choice: &Choice) -> anyhow::Result<ExitCode> {
    let line = command_line(&given.root, given.cmdline.as_deref()).map_err(anyhow::Error::msg)?;
    let own = cmdline::words(&line);
    if let Ok(platform) = choice.platform
        && !own.iter().any(|word| word.starts_with("ip="))
    {
        let name = platform.name();
        let kargs = platform
            .network_kargs(&Machine::new(false, None))
            .with_context(|| format!("while asking the platform {name} for network arguments"))?;
        let words = cmdline::words(&kargs.unwrap_or_default());
        let words = words
            .iter()
            .map(|word| word.replace(char::is_control, " ") + "\n");
        out(&words.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what the platform says.
pub fn metadata(given: &Metadata) -> anyhow::Result<ExitCode> {
    let platform = match given.platform {
        Some(platform) => platform,
        None => Choice::of(Path::new("/"), None)
            .and_then(|choice| choice.platform)
            .map_err(anyhow::Error::msg)?,
    };
    let name = platform.name();
    let said = pilotlight_host::metadata(platform)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("while asking the platform {name}"))?;
    let Some(said) = said else {
        anyhow::bail!("the platform {name} says nothing of its machines");
    };
    if let Some(path) = &given.attributes {
        pilotlight_engine::replace_file(path, said.attribute_lines().as_bytes(), 0o644)
            .with_context(|| format!("while writing {}", path.display()))?;
    }
    if let Some(directory) = &given.network_units {
        write_units(directory, platform, &said)?;
    }
    if given.attributes.is_some() || given.network_units.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    if given.json {
        let json = serde_json::to_string_pretty(&said).context("while writing JSON")?;
        out(&format!("{json}\n"))?;
    } else {
        out(&lines(name, &said))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the units of systemd-networkd; none are there to write where the network configures machines itself.
fn write_units(directory: &Path, platform: Platform, said: &model::Metadata) -> anyhow::Result<()> {
    let count = pilotlight_host::write_network_units(directory, platform, said);
    if count.map_err(anyhow::Error::msg)? == 0 {
        eprintln!(
            "{} describes no network for systemd-networkd: nothing is written",
            platform.name()
        );
    }
    Ok(())
}

/// One line for each thing that is said.
fn lines(platform: &str, said: &model::Metadata) -> String {
    let mut text = format!("platform       {platform}\n");
    // Writing to a string cannot fail.
    for (name, value) in [
        ("host name", &said.hostname),
        ("instance", &said.instance_id),
        ("type", &said.instance_type),
        ("region", &said.region),
        ("zone", &said.zone),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<14} {value}");
        }
    }
    for (name, value) in &said.tags {
        let _ = writeln!(text, "tag            {name}={value}");
    }
    for key in &said.ssh_keys {
        let user = key.user.as_deref().unwrap_or("(standard user)");
        let _ = writeln!(text, "SSH key        {user}: {}", key.key);
    }
    for interface in &said.interfaces {
        let name = interface.name.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "{}",
            format!("interface      {} {name}", interface.mac).trim_end()
        );
        for known in &interface.addresses {
            let prefix = known
                .prefix
                .map(|bits| format!("/{bits}"))
                .unwrap_or_default();
            let public = if known.public { ", public" } else { "" };
            let _ = writeln!(text, "  address      {}{prefix}{public}", known.address);
        }
        for gateway in &interface.gateways {
            let _ = writeln!(text, "  gateway      {gateway}");
        }
        if let Some(mtu) = interface.mtu {
            let _ = writeln!(text, "  MTU          {mtu}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_files_of_a_directory_that_need_not_exist() {
        let said: model::Metadata = serde_json::from_value(serde_json::json!({
            "interfaces": [{"mac": "02:00:00:00:00:01",
                "addresses": [{"address": "192.0.2.5", "prefix": 24, "public": true, "gateway": "192.0.2.1"}]}],
        }))
        .unwrap();
        let work = tempfile::tempdir().unwrap();
        let directory = work.path().join("run/network");
        write_units(&directory, Platform::Aws, &said).unwrap();
        assert!(!directory.exists());
        write_units(&directory, Platform::Packet, &said).unwrap();
        let files: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
        assert_eq!(files.len(), 1);
        let unit = directory.join("70-pilotlight-single.network");
        let text = std::fs::read_to_string(unit).unwrap();
        assert_eq!(Platform::Packet.networkd_units(&said).0[0].1, text);
    }

    #[test]
    fn what_is_said_has_a_line_each() {
        let said: model::Metadata = serde_json::from_value(serde_json::json!({
            "hostname": "vm-a", "zone": "z1", "tags": {"team": "blue"},
            "ssh_keys": [{"key": "ssh-ed25519 AAAA"}, {"user": "ann", "key": "ssh-rsa BBBB"}],
            "interfaces": [{"mac": "02:00:00:00:00:01", "gateways": ["10.0.0.1"], "mtu": 1460,
                "addresses": [{"address": "10.0.0.5", "prefix": 24}, {"address": "203.0.113.5", "public": true}]}],
        }))
        .unwrap();
        let expected = "\
platform       gcp
host name      vm-a
zone           z1
tag            team=blue
SSH key        (standard user): ssh-ed25519 AAAA
SSH key        ann: ssh-rsa BBBB
interface      02:00:00:00:00:01
  address      10.0.0.5/24
  address      203.0.113.5, public
  gateway      10.0.0.1
  MTU          1460
";
        assert_eq!(lines("gcp", &said), expected);
    }
}
