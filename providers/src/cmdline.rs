//! The kernel command line: which config it points at.
//!
//! The line is split at white space; double quotes join words, as in the kernel's own parser
//! (lib/cmdline.c, `next_arg`).

use std::time::Duration;

use pilotlight_core::cmdline::last_value;
use pilotlight_core::redact;

use crate::{Ask, DeviceFiles, Host, HostError, UserConfig, Which};

/// Arguments that name a config by URL. The last one on the line counts.
const URL_KEYS: &[&str] = &[
    "ignition.config.url",
    "flatcar.config.url",
    "coreos.config.url",
];

/// How long the device of a config may take to appear: what systemd gives a device.
const DEVICE_WAIT: Duration = Duration::from_secs(90);

/// The URL that the line names.
pub fn config_url(line: &str) -> Option<String> {
    last_value(line, URL_KEYS)
}

/// Fetches the config that the kernel command line names, if it names one.
pub async fn user_config(line: &str, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let Some(url) = config_url(line) else {
        return device_config(line, host).await;
    };
    let reply = host.http(&Ask::get(&url)).await?;
    match reply.status {
        200..=299 => Ok(Some(UserConfig {
            name: redact::url(&url),
            bytes: reply.body,
        })),
        status => Err(HostError::Broken(format!(
            "the kernel command line names the config {}, but the server answers {status}",
            redact::url(&url)
        ))),
    }
}

/// The config on the device that the line names by label or path (`ignition.config.device`), at the path that it
/// names (`ignition.config.path`).
async fn device_config(line: &str, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let device = last_value(line, &["ignition.config.device"]);
    let path = last_value(line, &["ignition.config.path"]);
    let (Some(device), Some(path)) = (&device, &path) else {
        let (there, missing) = match (&device, &path) {
            (None, None) => return Ok(None),
            (Some(_), _) => ("device", "path"),
            _ => ("path", "device"),
        };
        return Err(HostError::Broken(format!(
            "the kernel command line has ignition.config.{there}=, but no ignition.config.{missing}=; give both"
        )));
    };
    let label = [device.as_str()];
    let which = match device.starts_with("/dev/") {
        true => Which::Path(device),
        false => Which::Label(&label),
    };
    let wanted = DeviceFiles {
        which,
        formats: &[
            "vfat", "iso9660", "udf", "ext4", "ext3", "ext2", "xfs", "btrfs",
        ],
        mark: None,
        files: &[path],
        wait: DEVICE_WAIT,
        what: device,
    };
    let broken = |why: String| Err(HostError::Broken(why));
    let Some(mut found) = host.device_files(&wanted).await? else {
        return broken(format!(
            "the kernel command line says that the config is on the device {device}, which did not appear \
             within {} s",
            DEVICE_WAIT.as_secs()
        ));
    };
    match found.files.pop().flatten() {
        Some(bytes) => Ok(Some(UserConfig {
            name: format!("{}:{path}", found.device),
            bytes,
        })),
        None => broken(format!(
            "the kernel command line says that the config is {path} on the device {device}, but {} has no such file",
            found.device
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_last_of_all_spellings_counts() {
        for (line, expected) in [
            ("root=LABEL=x", None),
            ("ignition.config.url=http://a/", Some("http://a/")),
            (
                "coreos.config.url=http://a/ ignition.config.url=http://b/",
                Some("http://b/"),
            ),
            (
                "ignition.config.url=http://a/ flatcar.config.url=\"http://b/?x=a b\"",
                Some("http://b/?x=a b"),
            ),
            ("xignition.config.url=http://a/", None),
            ("ignition.config.url=", None),
            ("ignition.config.url=http://a/ ignition.config.url=", None),
        ] {
            assert_eq!(config_url(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_named_config_that_is_not_there_is_an_error() {
        let run = |answer: &str| {
            let host = Transcript::of(&format!("> GET http://a/c\n{answer}\n"));
            now(user_config("ignition.config.url=http://a/c", &host))
        };
        assert_eq!(run("< 200\n{}").unwrap().unwrap().bytes, b"{}");
        assert!(run("< 404").unwrap_err().to_string().contains("404"));
    }

    #[test]
    fn a_named_device_has_the_config() {
        let run = |line: &str, device| {
            let host = Transcript {
                device,
                ..Transcript::default()
            };
            now(user_config(line, &host))
        };
        let stick = || Some(("STICK", vec![("a/c.ign", "{}")]));
        let line = "ignition.config.device=STICK ignition.config.path=a/c.ign";
        let found = run(line, stick()).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes.as_slice()),
            ("/dev/STICK:a/c.ign", &b"{}"[..])
        );
        let line = "ignition.config.device=/dev/sdb1 ignition.config.path=/a/c.ign";
        let found = run(line, Some(("/dev/sdb1", vec![("/a/c.ign", "x")])));
        assert_eq!(found.unwrap().unwrap().bytes, b"x");
        for (line, device, expected) in [
            (
                "ignition.config.device=STICK ignition.config.path=b",
                stick(),
                "has no such file",
            ),
            (
                "ignition.config.device=OTHER ignition.config.path=b",
                stick(),
                "did not appear within 90 s",
            ),
            (
                "ignition.config.device=STICK",
                stick(),
                "no ignition.config.path=; give both",
            ),
            (
                "ignition.config.path=b",
                stick(),
                "no ignition.config.device=; give both",
            ),
        ] {
            let why = run(line, device).unwrap_err().to_string();
            assert!(why.contains(expected), "{line}: {why}");
        }
    }
}
