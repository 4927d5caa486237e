//! `flatcar-install`: the script's command line. It has never asked anybody, and its callers do not answer.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use super::args::{Install, Machine};
use super::{ended_download, install, wrong};
use pilotlight_install::request::{Consent, Request};
use pilotlight_install::voice::Form;

/// Write Flatcar to a disk
#[derive(Debug, Parser)]
#[command(name = "flatcar-install", disable_version_flag = true)]
struct FlatcarInstall {
    #[command(flatten)]
    install: Install,
    /// Accepted as the script has it: nothing is kept in a temporary place
    #[arg(short = 't', value_name = "TMPDIR", hide = true)]
    temporary: Option<std::path::PathBuf>,
}

/// What reads its arguments, for its man page.
#[cfg(test)]
pub fn command() -> clap::Command {
    <FlatcarInstall as clap::CommandFactory>::command()
}

/// Does what the script does. Exit codes: 0 done, 1 failed, 2 wrong arguments.
pub fn flatcar_install(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once("flatcar-install".into()).chain(arguments);
    let given = match FlatcarInstall::try_parse_from(words) {
        Ok(given) => given.install,
        Err(error) => error.exit(),
    };
    let form = given.json.then_some(Form::Json);
    let machine = Machine::this();
    if let Some(directory) = given.download_directory() {
        return match given.download(&machine) {
            Ok(asked) => ended_download(&asked, &directory, form),
            Err(why) => wrong(&why),
        };
    }
    match asked(&given, &machine) {
        Ok(request) => install(&request, form),
        Err(why) => wrong(&why),
    }
}

/// The same request without a question, and never done already: a second run installs anew.
fn asked(given: &Install, machine: &Machine) -> Result<Request, String> {
    Ok(Request {
        consent: Consent::Given,
        once: false,
        ..given.request(machine)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_install::release::Running;
    use pilotlight_install::request::{Asked, To};
    use pilotlight_install::source::Place;

    fn request(line: &str) -> Result<Request, String> {
        let words = ["flatcar-install"]
            .into_iter()
            .chain(line.split_whitespace());
        let words = words.map(|word| word.trim_matches('\''));
        let given = FlatcarInstall::try_parse_from(words).map_err(|error| error.to_string())?;
        let machine = Machine {
            running: Running {
                update: "GROUP=beta\n".into(),
                release: "FLATCAR_RELEASE_VERSION=4000.1.0\n".into(),
                oem_release: "ID=openstack\n".into(),
                architecture: "x86_64".into(),
            },
            ..Machine::default()
        };
        asked(&given.install, &machine)
    }

    #[test]
    fn every_option_of_the_script_means_what_it_meant() {
        for (line, expected) in [
            (
                "-d /dev/sda",
                "https://beta.release.flatcar-linux.net/amd64-usr/4000.1.0/flatcar_production_openstack_image.bin.bz2",
            ),
            (
                "-d /dev/sda -C stable -V 1.2.3 -o ''",
                "https://stable.release.flatcar-linux.net/amd64-usr/1.2.3/flatcar_production_image.bin.bz2",
            ),
            (
                "-d /dev/sda -C lts -o ami",
                "https://lts.release.flatcar-linux.net/amd64-usr/current/flatcar_production_ami_image.bin.bz2",
            ),
            (
                "-d /dev/sda -B arm64-usr -V 1 -o ''",
                "https://beta.release.flatcar-linux.net/arm64-usr/1/flatcar_production_image.bin.bz2",
            ),
            (
                "-d /dev/sda -b http://m/x -V 1 -o ''",
                "http://m/x/1/flatcar_production_image.bin.bz2",
            ),
        ] {
            let Asked::Release(release) = request(line).unwrap().image else {
                panic!("{line}")
            };
            assert_eq!(release.image_url(), expected, "{line}");
        }
        let whole = request(
            "-s -e 7,254 -I 8 -f image.bin -k key.asc -i c.ign -c cloud.yml -n -u -y -v -t /tmp",
        )
        .unwrap();
        let smallest = To::Smallest {
            include: vec![8],
            exclude: vec![7, 254],
        };
        assert_eq!(whole.to, smallest);
        assert!(whole.image == Asked::At(Place::File("image.bin".into())));
        assert_eq!(whole.trust.keys, ["key.asc"].map(std::path::PathBuf::from));
        assert!(
            whole
                .config
                .is_some_and(|config| config.place == Place::File("c.ign".into()))
        );
        assert!(whole.cloud_config == Some(Place::File("cloud.yml".into())));
        assert_eq!(
            whole.network_files[0],
            std::path::Path::new("/run/systemd/network")
        );
        assert!(whole.boot_entry && whole.dry_run);
        assert_eq!((whole.consent, whole.once), (Consent::Given, false));
    }

    #[test]
    fn a_download_needs_no_disk() {
        let download = |line: &str| {
            let words = ["flatcar-install"]
                .into_iter()
                .chain(line.split_whitespace());
            let given = FlatcarInstall::try_parse_from(words).unwrap().install;
            assert!(given.download_directory().is_some());
            given.download(&Machine::default())
        };
        let asked = download("-D -f image.bin -k key.asc").unwrap();
        assert!(asked.image == Asked::At(Place::File("image.bin".into())));
        assert_eq!(asked.trust.keys, ["key.asc"].map(std::path::PathBuf::from));
        assert!(matches!(download("-D").unwrap().image, Asked::Release(_)));
        let Err(said) = download("-D --offline") else {
            panic!("a release without the network")
        };
        assert!(said.contains("only an image in a file"), "{said}");
    }

    #[test]
    fn what_is_missing_or_contradicts_is_said() {
        for (line, words) in [
            ("", "which disk?"),
            ("-d /dev/sda -s", "cannot be used with"),
            ("-d /dev/sda -f x -b http://m", "cannot be used with"),
            ("-d /dev/sda --save-partindex 7-5", "no range"),
            ("-d /dev/sda --fingerprint 12", "no fingerprint"),
            ("-d /dev/sda --offline", "only an image in a file"),
            (
                "-d /dev/sda --offline -f x -i http://h/c",
                "behind the network",
            ),
        ] {
            let Err(said) = request(line) else {
                panic!("{line}")
            };
            assert!(said.contains(words), "{line}: {said}");
        }
    }
}
