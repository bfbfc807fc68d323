//! `godwit doctor` on a hypervisor host: what it says of libvirt, and when libvirt is gone.

use anyhow::{Result, ensure};
use system_tests::deployment::{Deployment, Options};
use system_tests::process::godwit;

/// Whether it is content, and what it says, run where the only agent runs, with its file.
fn doctor(deployment: &Deployment) -> Result<(bool, String)> {
    let (host, agent) = (&deployment.testbed().hosts()[0], &deployment.agents()[0]);
    let config = deployment
        .directory()
        .join(format!("{}.yaml", agent.name()));
    let output = host
        .command(godwit()?)
        .args(["doctor", "--config"])
        .arg(config)
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    Ok((output.status.success(), said))
}

fn says(said: &str, line: &str) -> Result<()> {
    ensure!(said.contains(line), "it does not say {line:?}:\n{said}");
    Ok(())
}

#[test]
fn real_doctor_knows_when_libvirt_is_gone() -> Result<()> {
    let options = Options {
        hosts: 1,
        ..Options::default()
    };
    let deployment = Deployment::temporary(&options)?;
    let (_, said) = doctor(&deployment)?;
    for line in [
        "good  database: none is configured",
        "good  certificate of the agent: godwit://agent/",
        "good  conductor at https://",
        "good  journal: ",
        "good  hypervisor: libvirt says what this host has",
        // Whether this machine permits it, is the machine's.
        " post-copy: ",
    ] {
        says(&said, line)?;
    }

    deployment.testbed().hosts()[0].kill_libvirtd()?;
    deployment.conductors()[0].kill9()?;
    let (content, said) = doctor(&deployment)?;
    ensure!(!content, "{said}");
    says(&said, "wrong hypervisor: ")?;
    says(&said, "odd   conductor at https://")?;
    says(&said, "wrong conductors: none answers")
}
