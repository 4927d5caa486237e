//! `pilotlight install`, and the same under the names of the tools that it takes the place of.

mod args;
mod coreos;
mod flatcar;
mod image;
mod terminal;

use std::process::ExitCode;
use std::sync::Arc;

use pilotlight_install::download::download;
use pilotlight_install::error::InstallError;
use pilotlight_install::request::{Download, Request};
use pilotlight_install::run::{self, Outcome};
use pilotlight_install::voice::{Form, Spoken, Voice};

pub use args::Install;
#[cfg(test)]
pub use coreos::command as coreos_installer_command;
pub use coreos::coreos_installer;
#[cfg(test)]
pub use flatcar::command as flatcar_install_command;
pub use flatcar::flatcar_install;
pub use image::{ImageJob, image};

/// Exit code of a run that finds everything done already.
const ALREADY: u8 = 77;

/// Does what `pilotlight install` is asked for.
pub fn run(given: Install) -> ExitCode {
    let form = given.json.then_some(Form::Json);
    if let Some(directory) = given.download_directory() {
        return match given.download(&args::Machine::this()) {
            Ok(asked) => ended_download(&asked, &directory, form),
            Err(why) => wrong(&why),
        };
    }
    match given.request(&args::Machine::this()) {
        Ok(request) => install(&request, form),
        Err(why) => wrong(&why),
    }
}

fn wrong(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(2)
}

fn failed(error: &InstallError) -> ExitCode {
    eprintln!("error: {error}");
    match error {
        InstallError::Asked(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn install(request: &Request, form: Option<Form>) -> ExitCode {
    let voice: Arc<dyn Voice> = Arc::new(Spoken::new(form));
    let terminal = terminal::Person {
        json: form == Some(Form::Json),
        // A plan that nobody is asked about is only in the way.
        shows: true,
    };
    match run::install(request, &voice, &terminal) {
        Ok(Outcome::Done(_)) => {
            voice.note("done");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Planned) => {
            voice.note("nothing has been touched");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Already) => {
            voice.note(
                "the disk has this image with this config already; --again writes it once more",
            );
            ExitCode::from(ALREADY)
        }
        Ok(Outcome::Declined) => {
            voice.note("nothing has been written");
            ExitCode::FAILURE
        }
        Err(error) => failed(&error),
    }
}

fn ended_download(asked: &Download, directory: &std::path::Path, form: Option<Form>) -> ExitCode {
    let voice: Arc<dyn Voice> = Arc::new(Spoken::new(form));
    match download(asked, directory, &voice) {
        Ok(path) => pilotlight_boot::out::last(&format!("{}\n", path.display())),
        Err(error) => failed(&error),
    }
}
