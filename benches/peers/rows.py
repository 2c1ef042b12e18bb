"""Which rows there are: every program of a package in rows/, a server for node, and those that are named."""

import contextlib
import dataclasses
import json
import pathlib
import shlex
import shutil
import subprocess
import sys


@dataclasses.dataclass
class Row:
    name: str
    # The server's command line, without port and settings.
    serve: list[str]
    # A program that also works in memory.
    codec: str | None
    # Arguments for each setting of compression; what is only `--deflate` has the empty name.
    deflate: dict[str, list[str]]
    # A burst is answered by one flush, where without it each message is.
    batch: bool = False
    # These patterns of echo, and nothing else.
    patterns: list[str] | None = None


# The profile without link-time optimisation, as cargo builds by default, and what is built with it once more.
PLAIN = "release-default"
NO_LTO = {"row-floors": ["floor-tokio"], "row-sansocket": ["sansocket-tokio", "sansocket-tokio-lent"]}


def find(here, options):
    metadata = cargo_metadata(here)
    directory = pathlib.Path(metadata["target_directory"])
    release = directory / "release"
    packages = [package for package in metadata["packages"] if package["name"].startswith("row-")]
    options.load = str(release / "load")
    if not options.no_build:
        build(here, "load", required=True)
    found = []
    for package in sorted(packages, key=lambda package: package["name"]):
        programs = [target["name"] for target in package["targets"] if "bin" in target["kind"]]
        if options.rows and not any(is_wanted(name, options.rows) for name in programs):
            continue
        if not options.no_build:
            build(here, package["name"])
        for name in programs:
            if (release / name).exists():
                found += rows_of(str(release / name))
            else:
                print(f"skipped: {name} is not built", file=sys.stderr)
    found += no_lto(here, directory / PLAIN, options)
    found += node(here) + uwebsockets(here / "uwebsockets", release, options)
    found += [extra(server) for server in options.server]
    return [row for row in found if not options.rows or is_wanted(row.name, options.rows)]


def is_wanted(name, names):
    return name in names or name.removesuffix(" (batch)") in names


def build(here, package, required=False, profile="release"):
    """Each by itself: cargo unites the features of what is built together."""
    command = ["cargo", "build", "--profile", profile, "--locked", "--quiet", "--package", package]
    if subprocess.run(command, cwd=here).returncode != 0:
        if required:
            sys.exit(f"{package} cannot be built")
        print(f"skipped: {package} cannot be built", file=sys.stderr)


def rows_of(program):
    about = json.loads(subprocess.run([program, "about"], capture_output=True, text=True, check=True).stdout)
    name, serve = about["name"], [program, "serve"]
    deflate = {setting: ["--deflate", setting] for setting in about["deflate"]}
    found = [Row(name, serve, program if about["codec"] else None, deflate)]
    if about["batch"]:
        found.append(Row(f"{name} (batch)", [*serve, "--batch"], None, {}, batch=True))
    return found


def no_lto(here, directory, options):
    """With --rows, those that are named with this suffix."""
    found = []
    for package, programs in NO_LTO.items():
        wanted = {f"{name} (no LTO)": directory / name for name in programs}
        wanted = {name: path for name, path in wanted.items() if not options.rows or name in options.rows}
        if wanted and "echo" in options.tables and not options.no_build:
            build(here, package, profile=PLAIN)
        for name, path in wanted.items():
            if path.exists():
                found.append(Row(name, [str(path), "serve"], None, {}, patterns=["pipe"]))
            elif "echo" in options.tables:
                print(f"skipped: {name} is not built", file=sys.stderr)
    return found


def node(here):
    """npm's `ws`, where the interop suite has installed it."""
    if not shutil.which("node"):
        print("skipped: ws (there is no node)", file=sys.stderr)
    elif not (here / "../../tests/interop/node_modules/ws").exists():
        print("skipped: ws (npm ci in tests/interop installs it)", file=sys.stderr)
    else:
        return [Row("ws (node)", ["node", str(here / "node/echo.mjs")], None, {"": ["--deflate"]})]
    return []


def uwebsockets(here, directory, options):
    """The C++ server."""
    name, program = "uWebSockets", directory / "uwebsockets"
    if options.rows and name not in options.rows:
        return []
    if not options.no_build:
        program.unlink(missing_ok=True)
        compile_uwebsockets(here, program)
    if program.exists():
        return [Row(name, [str(program)], None, {"": ["--deflate"]})]
    print(f"skipped: {name} is not built (it takes a C++ compiler, and zlib's header)", file=sys.stderr)
    return []


def compile_uwebsockets(here, program):
    try:
        crate = uwebsockets_crate(here)
        sources = pathlib.Path(crate["manifest_path"]).parent / "uWebSockets"
        sockets = sources / "uSockets/src"
        files = [here / "echo.cpp", *sockets.glob("*.c"), *sockets.glob("eventing/*.c")]
        flags = ["-O3", "-flto=auto", "-std=c++20", "-w", "-DLIBUS_NO_SSL"]
        paths = [f"-I{sources / 'src'}", f"-I{sockets}"]
        subprocess.run(["cc", *flags, *paths, *files, "-lstdc++", "-lz", "-o", program], check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)


def uwebsockets_crate(here):
    """The sources come with a crate, of which nothing else is of use here."""
    packages = cargo_metadata(here, [])["packages"]
    return next(package for package in packages if package["name"] == "libuwebsockets-sys")


def extra(server):
    name, _, command = server.partition("=")
    return Row(name, shlex.split(command), None, {"": ["--deflate"]})


def versions(here):
    """Of the crates that are measured."""
    packages = {package["id"]: package for package in cargo_metadata(here, [])["packages"]}
    measured = set()
    for package in packages.values():
        if package["name"].startswith("row-"):
            measured |= {package["name"].removeprefix("row-")}
            measured |= {"mio", "smol", "tokio"} if package["name"] == "row-sansocket" else set()
    found = {p["name"]: p["version"] for p in packages.values() if p["name"] in measured}
    with contextlib.suppress(subprocess.CalledProcessError):
        found["uWebSockets of libuwebsockets-sys"] = uwebsockets_crate(here / "uwebsockets")["version"]
    return found


def cargo_metadata(here, flags=("--no-deps",)):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", *flags]
    return json.loads(subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout)
