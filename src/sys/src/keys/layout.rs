//! What decides on where keys are kept.

use std::io;

use pilotlight_core::keys::{LayoutFacts, includes};
use pilotlight_core::model::SysPath;
use rustix::fs::Dir;

use crate::root::Sysroot;
use crate::tool;

const SSHD_CONFIG: &str = "/etc/ssh/sshd_config";
/// The file of distributions that keep their own below /usr.
const VENDOR_CONFIG: &str = "/usr/share/ssh/sshd_config";
/// Most files that the configuration consists of.
const MAX_FILES: usize = 256;

/// Looks at the programs on PATH and at sshd's configuration below the root.
///
/// Included files stand before the one that includes them: that is where distributions have the line. Of patterns
/// only `DIRECTORY/*SUFFIX` are known, which is what they write.
pub fn facts(root: &Sysroot) -> io::Result<LayoutFacts> {
    let mut texts = Vec::new();
    for main in [SSHD_CONFIG, VENDOR_CONFIG] {
        let Some(main) = text(root, main)? else {
            continue;
        };
        for pattern in includes(&main) {
            // sshd takes others below its own directory (sshd_config(5)).
            let pattern = match pattern.starts_with('/') {
                true => pattern,
                false => format!("/etc/ssh/{pattern}"),
            };
            for path in matching(root, &pattern)? {
                if texts.len() < MAX_FILES {
                    texts.extend(text(root, &path)?);
                }
            }
        }
        texts.push(main);
        break;
    }
    Ok(LayoutFacts {
        update_ssh_keys: tool::is_there("update-ssh-keys"),
        sshd_config: texts,
    })
}

fn text(root: &Sysroot, path: &str) -> io::Result<Option<String>> {
    let path = SysPath::parse(path).map_err(io::Error::other)?;
    let bytes = root.read_text(&path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The files that a pattern names, in their order.
fn matching(root: &Sysroot, pattern: &str) -> io::Result<Vec<String>> {
    let Some((above, suffix)) = pattern.split_once("/*") else {
        return Ok(vec![pattern.into()]);
    };
    if suffix.contains(['/', '*', '?', '[']) || above.contains(['*', '?', '[']) {
        return Ok(Vec::new());
    }
    let above = SysPath::parse(above).map_err(io::Error::other)?;
    let inside = above.join("x").map_err(io::Error::other)?;
    let real = root.resolve(&inside)?.parent();
    let directory = match root.directory(&real.unwrap_or_else(SysPath::root)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        if name.ends_with(suffix) && !name.starts_with('.') && found.len() < MAX_FILES {
            found.push(format!("{above}/{name}"));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use pilotlight_core::keys::Layout;

    use super::*;

    #[test]
    fn included_files_are_read_before_the_main_one() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let read = || {
            facts(&Sysroot::open(dir.path()).unwrap())
                .unwrap()
                .sshd_config
        };
        assert_eq!(read(), [] as [&str; 0]);
        std::fs::create_dir_all(at("etc/ssh/sshd_config.d")).unwrap();
        let main = "Include /etc/ssh/sshd_config.d/*.conf\nInclude more\nInclude /a/*/b /no/*.conf\nPort 22\n";
        std::fs::write(at("etc/ssh/sshd_config"), main).unwrap();
        std::fs::write(at("etc/ssh/more"), "more").unwrap();
        for name in ["b.conf", "a.conf", "c.txt", ".d.conf"] {
            std::fs::write(at("etc/ssh/sshd_config.d").join(name), name).unwrap();
        }
        assert_eq!(read(), ["a.conf", "b.conf", "more", main]);
        std::os::unix::fs::symlink("/etc/passwd", at("etc/ssh/sshd_config.d/a.conf.conf")).unwrap();
        assert_eq!(read(), ["a.conf", "b.conf", "more", main]);
        let text = "AuthorizedKeysCommand /usr/libexec/ssh-key-dir %u\n";
        std::fs::write(at("etc/ssh/sshd_config.d/a.conf"), text).unwrap();
        let facts = LayoutFacts {
            update_ssh_keys: false,
            sshd_config: read(),
        };
        assert_eq!(Layout::detect(&facts), (Layout::AFTERBURN, None));
    }
}
