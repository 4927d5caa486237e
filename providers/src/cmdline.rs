//! The kernel command line: which config it points at.
//!
//! The line is split at white space; double quotes join words, as in the kernel's own parser
//! (lib/cmdline.c, `next_arg`).

use std::time::Duration;

use pilotlight_core::cmdline::last_value;
use pilotlight_core::redact;

use crate::metal::OEM_DIRECTORIES;
use crate::{Ask, DeviceFiles, Host, HostError, UserConfig, Which};

/// Arguments that name a config by URL. The last one on the line counts.
const URL_KEYS: &[&str] = &[
    "ignition.config.url",
    "flatcar.config.url",
    "coreos.config.url",
];

/// How long the device of a config may take to appear. Units that wait for what it would provide give it a minute.
const DEVICE_WAIT: Duration = Duration::from_secs(45);

/// Labels of the OEM partition.
const OEM: &[&str] = &["OEM"];

/// The URL that the line names.
pub fn config_url(line: &str) -> Option<String> {
    last_value(line, URL_KEYS)
}

/// Fetches the config that the kernel command line names, if it names one.
pub async fn user_config(line: &str, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let Some(url) = config_url(line) else {
        return device_config(line, host).await;
    };
    if let Some(path) = url.strip_prefix("oem://") {
        return oem_config(path, host).await.map(Some);
    }
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

/// The config at a path of the OEM partition (`oem:///FILE`): where the initramfs has mounted it, else on its device.
async fn oem_config(path: &str, host: &impl Host) -> Result<UserConfig, HostError> {
    let path = path.trim_start_matches('/');
    let clean = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !clean {
        return Err(HostError::Broken(format!(
            "the kernel command line names the config oem:///{path}, which is no path of a file"
        )));
    }
    for directory in OEM_DIRECTORIES {
        let name = format!("{directory}/{path}");
        if let Some(bytes) = host.read_file(&name)? {
            return Ok(UserConfig { name, bytes });
        }
    }
    let wanted = DeviceFiles {
        which: Which::Label(OEM),
        formats: &["ext4", "btrfs", "xfs", "vfat"],
        mark: None,
        files: &[path],
        wait: DEVICE_WAIT,
        what: "the OEM partition",
    };
    let broken = |why: String| {
        Err(HostError::Broken(format!(
            "the kernel command line names the config oem:///{path}, but {why}"
        )))
    };
    let Some(mut found) = host.device_files(&wanted).await? else {
        return broken(format!(
            "no partition labelled OEM appeared within {} s",
            DEVICE_WAIT.as_secs()
        ));
    };
    match found.files.pop().flatten() {
        Some(bytes) => Ok(UserConfig {
            name: format!("{}:{path}", found.device),
            bytes,
        }),
        None => broken(format!("{} has no such file", found.device)),
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
    fn a_config_may_be_on_the_oem_partition() {
        let mounted = Transcript {
            files: vec![
                ("/oem/d/c.ign", "mounted"),
                ("/usr/share/oem/old.ign", "old"),
            ],
            device: Some(("OEM", vec![("e.ign", "on the device")])),
            ..Transcript::default()
        };
        let none = Transcript::default();
        let table = [
            (&mounted, "oem:///d/c.ign", Ok("mounted")),
            (&mounted, "oem://d/c.ign", Ok("mounted")),
            (&mounted, "oem:////d/c.ign", Ok("mounted")),
            (&mounted, "oem:///old.ign", Ok("old")),
            (&mounted, "oem:///e.ign", Ok("on the device")),
            (
                &mounted,
                "oem:///none.ign",
                Err("/dev/OEM has no such file"),
            ),
            (&mounted, "oem:///../etc/shadow", Err("no path of a file")),
            (&mounted, "oem:///d/../e.ign", Err("no path of a file")),
            (&mounted, "oem:///d//c.ign", Err("no path of a file")),
            (&mounted, "oem:///", Err("no path of a file")),
            (&mounted, "oem://", Err("no path of a file")),
            (
                &none,
                "oem:///d/c.ign",
                Err("no partition labelled OEM appeared within 45 s"),
            ),
        ];
        for (host, url, expected) in table {
            let line = format!("ro flatcar.config.url={url}");
            let found = now(user_config(&line, host));
            match (found, expected) {
                (Ok(Some(found)), Ok(text)) => assert_eq!(found.bytes, text.as_bytes(), "{url}"),
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{url}: {error}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

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
                "did not appear within 45 s",
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
