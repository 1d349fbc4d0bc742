"""Judges what Compose read (its JSON on stdin), and weir's settings in it: check.py WEIR."""

import copy
import json
import os
import re
import subprocess
import sys

# A version to the last figure: 4.3.1, v1.8.0.
PINNED = re.compile(r":v?\d+\.\d+\.\d+$")
# A base of our own image: Debian's versions have two figures, and a variant follows.
VERSIONED = re.compile(r":\d+\.\d+(\.\d+)?-\w+$")


def ends_by_itself(service):
    return service.get("restart") == "no"


def faults(project):
    """What breaks a rule, a sentence each."""
    found = []
    services = project["services"]
    for name, service in services.items():
        if not PINNED.search(service.get("image", "")):
            found.append(f"{name}: its image is not pinned to a version")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                found.append(f"{name}: port {port['target']} is not bound to loopback")
        if not ends_by_itself(service) and not service.get("healthcheck", {}).get("test"):
            found.append(f"{name}: has no health check")
        if service.get("privileged") or service.get("network_mode") == "host":
            found.append(f"{name}: is not kept apart from the host")
        for other, how in service.get("depends_on", {}).items():
            if ends_by_itself(services[other]) != (
                how["condition"] == "service_completed_successfully"
            ):
                found.append(f"{name}: waits for {other} in a way in which it never comes")
    written = {
        volume["source"]
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume"
    }
    for volume in written - set(project.get("volumes", {})):
        found.append(f"the volume {volume} has no name of its own")
    return found


def planted(project):
    """Copies of the project, each with one fault."""

    def copy_with(change):
        other = copy.deepcopy(project)
        change(other["services"])
        return other

    yield copy_with(lambda s: s["kafka"].update(image="apache/kafka:latest"))
    yield copy_with(lambda s: s["kafka"].update(image="apache/kafka"))
    yield copy_with(lambda s: s["weir"]["ports"][0].pop("host_ip"))
    yield copy_with(lambda s: s["weir"]["ports"][0].update(host_ip="0.0.0.0"))
    yield copy_with(lambda s: s["s3"].pop("healthcheck"))
    yield copy_with(lambda s: s["prometheus"].update(privileged=True))
    yield copy_with(
        lambda s: s["weir"]["depends_on"]["topics"].update(condition="service_healthy")
    )
    yield copy_with(lambda s: s["s3"]["volumes"][0].update(source="nowhere"))


def base_images(dockerfile, toolchain):
    """What breaks a rule in the bases of weir's own image."""
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    found = [f"{base}: is not pinned to a version" for base in bases if not VERSIONED.search(base)]
    if f"rust:{toolchain}-" not in bases[0]:
        found.append(f"{bases[0]}: is not the toolchain {toolchain}")
    return found


def weir_reads_its_settings(weir, environment):
    """The variables name keys that there are, and lead to the stores and the broker of here."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    command = [weir, "--config", "config/weir.toml", "--format", "json", "check", "--offline"]
    ran = subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        sys.exit(f"weir refuses its settings: {ran.stdout}{ran.stderr}")
    for place in ("WEIR__LAKE__URL", "WEIR__BULK__URL"):
        if environment[place] not in ran.stdout:
            sys.exit(f"weir did not take {place} from the environment: {ran.stdout}")


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    project = json.load(sys.stdin)
    found = faults(project)
    if found:
        sys.exit("docker-compose.yml:\n" + "\n".join(found))
    others = list(planted(project))
    for number, other in enumerate(others):
        if not faults(other):
            sys.exit(f"the planted fault {number} was not found: the check is worth nothing")
    channel = re.search(r'^channel = "(.+)"$', text("rust-toolchain.toml"), re.MULTILINE)
    found = base_images(text("Dockerfile"), channel[1])
    if found:
        sys.exit("Dockerfile:\n" + "\n".join(found))
    weir_reads_its_settings(sys.argv[1], project["services"]["weir"]["environment"])
    count = len(project["services"])
    print(f"docker-compose.yml: {count} services hold the rules, {len(others)} planted faults found")


main()
