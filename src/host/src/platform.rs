//! Conversations with the platform.
//!
//! Each is in a box: so it is made of the providers' generic code once in a program, by this crate, whoever waits for
//! it. Without, every crate that waits has its own copy of all platforms.

use std::pin::Pin;
use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_providers::status::{Status, Told};
use pilotlight_providers::{AwsCredentials, HostError, Platform, UserConfig, cmdline};

use crate::machine::Machine;

/// Longest time that a platform's metadata are waited for.
const BOUND: Duration = Duration::from_secs(120);

/// What a platform answers, once it has.
pub type Answer<'m, T> = Pin<Box<dyn Future<Output = Result<T, HostError>> + 'm>>;

/// Asks the platform for the user config.
pub fn user_config(platform: Platform, machine: &Machine) -> Answer<'_, Option<UserConfig>> {
    Box::pin(platform.user_config(machine))
}

/// The user config that the kernel command line names.
pub fn command_line_config<'m>(
    line: &'m str,
    machine: &'m Machine,
) -> Answer<'m, Option<UserConfig>> {
    Box::pin(cmdline::user_config(line, machine))
}

/// Asks the platform what it knows of this machine, within bounds.
pub fn ask(platform: Platform, machine: &Machine) -> Answer<'_, Option<Metadata>> {
    Box::pin(async move {
        let answer = tokio::time::timeout(BOUND, platform.metadata(machine)).await;
        answer.unwrap_or_else(|_| {
            let why = format!("the platform has not answered within {} s", BOUND.as_secs());
            Err(HostError::Broken(why))
        })
    })
}

/// Tells the platform how it goes.
pub fn report<'m>(
    platform: Platform,
    machine: &'m Machine,
    status: &'m Status<'m>,
) -> Answer<'m, Told> {
    Box::pin(platform.report(machine, status))
}

/// The credentials of the role that an EC2 instance has.
pub fn aws_role_credentials(machine: &Machine) -> Answer<'_, Option<AwsCredentials>> {
    Box::pin(pilotlight_providers::aws_role_credentials(machine))
}

/// The region that an EC2 instance is in.
pub fn aws_region(machine: &Machine) -> Answer<'_, Option<String>> {
    Box::pin(pilotlight_providers::aws_region(machine))
}

/// A token of the service account of a machine of Compute Engine.
pub fn gcp_access_token(machine: &Machine) -> Answer<'_, Option<String>> {
    Box::pin(pilotlight_providers::gcp_access_token(machine))
}

/// A token of the identity of a machine of Azure, for a resource.
pub fn azure_access_token<'m>(
    machine: &'m Machine,
    resource: &'m str,
) -> Answer<'m, Option<String>> {
    Box::pin(pilotlight_providers::azure_access_token(machine, resource))
}
