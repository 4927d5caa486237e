//! Kernel arguments for the network of the initramfs, where the hypervisor has them.

use std::path::Path;

use pilotlight_core::cmdline;
use pilotlight_host::{Machine, command_line};
use pilotlight_providers::{HostError, Platform};

use super::files::write;
use super::provider::{Provider, is_not_yet};

/// Where dracut reads more arguments (dracut.cmdline(7)).
const FRAGMENT: &str = "/etc/cmdline.d/50-afterburn-network-kargs.conf";
/// The whole command line for systemd-network-generator, which reads no fragments.
const GENERATOR: &str = "/run/afterburn/network-generator.env";
/// Longest arguments that are written, in bytes: the kernel's own line has 4 KiB at most.
const MAX: usize = 4096;

/// Writes the arguments that the platform has for this machine, else those of the image, unless the kernel command
/// line configures the network already. Nobody is asked over the network. The error is for a person.
///
/// Every name of a platform is one: whoever has no such arguments gets the image's.
pub fn network_kargs(provider: &Provider, default: &str) -> Result<(), String> {
    let name = provider.name()?;
    let line = command_line(Path::new("/"), None)?;
    if has_network(&line) {
        tracing::warn!(
            "the kernel command line configures the network already: nothing is written"
        );
        return Ok(());
    }
    let name = name.unwrap_or_default();
    if is_not_yet(&name) {
        tracing::warn!(
            "pilotlight does not ask {name} for network arguments yet: those of the image are used"
        );
    }
    let said = match Platform::parse(&name) {
        Ok(platform) => platform
            .network_kargs(&Machine::new(false, None))
            .map_err(|error| why(&name, &error))?,
        Err(_) => None,
    };
    let kargs = one_line(said.as_deref().unwrap_or(default))?;
    write(Path::new(FRAGMENT), &format!("{kargs}\n"))?;
    if let Some(text) = generator(&line, &kargs) {
        write(Path::new(GENERATOR), &text)?;
    }
    tracing::info!("wrote the network arguments {kargs:?} to {FRAGMENT}");
    Ok(())
}

fn why(name: &str, error: &HostError) -> String {
    format!("while asking the platform {name} for network arguments: {error}")
}

/// Whether a line has arguments that begin with `ip=`.
fn has_network(line: &str) -> bool {
    cmdline::words(line)
        .iter()
        .any(|word| word.starts_with("ip="))
}

/// The arguments without ends of lines, which separate them as blanks do.
fn one_line(kargs: &str) -> Result<String, String> {
    if kargs.len() > MAX {
        return Err(format!("the network arguments are longer than {MAX} bytes"));
    }
    let kargs = kargs.replace(char::is_control, " ");
    Ok(kargs.trim().to_string())
}

/// The kernel command line with the arguments behind it, as a line of an environment file; none without any.
///
/// systemd reads a line as it is, unless there are quotation marks or backslashes in it (systemd.exec(5),
/// `EnvironmentFile=`), which Afterburn does not mind.
fn generator(line: &str, kargs: &str) -> Option<String> {
    let line = line.trim().replace(char::is_control, " ");
    let whole = format!("{line} {kargs}");
    let mut text = whole.trim().to_string();
    if text.contains(['"', '\'', '\\']) {
        let mut quoted = String::new();
        for c in text.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        text = format!("\"{quoted}\"");
    }
    (!kargs.is_empty()).then(|| format!("SYSTEMD_PROC_CMDLINE={text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_configures_the_network_is_known() {
        for (line, expected) in [
            ("", false),
            ("ip=dhcp", true),
            ("root=x ip=\n", true),
            ("xip=dhcp rd.neednet=1", false),
            ("a=\"ip=x ip=dhcp\"", false),
        ] {
            assert_eq!(has_network(line), expected, "{line}");
        }
    }

    #[test]
    fn the_generator_reads_the_whole_line() {
        assert_eq!(
            generator("root=/dev/sda1 console=ttyS0\n", "ip=dhcp").as_deref(),
            Some("SYSTEMD_PROC_CMDLINE=root=/dev/sda1 console=ttyS0 ip=dhcp\n")
        );
        assert_eq!(
            generator("dyndbg=\"file a +p\" x=$y", "ip=dhcp").as_deref(),
            Some("SYSTEMD_PROC_CMDLINE=\"dyndbg=\\\"file a +p\\\" x=\\$y ip=dhcp\"\n")
        );
        assert_eq!(
            generator("", "ip=dhcp").as_deref(),
            Some("SYSTEMD_PROC_CMDLINE=ip=dhcp\n")
        );
        assert_eq!(generator("root=x", ""), None);
    }

    #[test]
    fn arguments_are_one_line_of_bounded_length() {
        assert_eq!(
            one_line(" ip=dhcp\nnameserver=192.0.2.1\u{0}"),
            Ok("ip=dhcp nameserver=192.0.2.1".into())
        );
        assert!(one_line(&"x".repeat(MAX + 1)).is_err());
    }
}
