# SPDX-License-Identifier: BSD-3-Clause
"""devtools/check-layers.sh passes on a clean tree and names each planted violation."""

import planted
import pytest

CLEAN = {
    "config/vsock_limits.h": "#define LIMIT 1\n",
    "lib/wq/wq.h": "int wq_init(void);\nint wq_go(void);\n",
    "lib/wq/wq_internal.h": "int wq_hidden(void);\n",
    "lib/wq/init.c": '#include "wq.h"\n#include "wq_internal.h"\n'
    "int wq_init(void) { return wq_hidden(); }\n",
    "lib/wq/os.c": '#include "wq_internal.h"\nint wq_hidden(void) { return 0; }\n',
    "lib/vfe/vfe.h": "int vfe_open(void);\n",
    "lib/vfe/vfe.c": '#include "vfe.h"\nint vfe_open(void) { return 0; }\n',
    "drivers/vsock/ring/vq.h": "int vq_get(void);\n",
    "drivers/vsock/ring/vq.c": '#include "ring/vq.h"\nint vq_get(void) { return 0; }\n',
    "drivers/vsock/conn/loan.h": "int loan(void);\n",
    "drivers/vsock/conn/loan.c": '#include "conn/loan.h"\n#include "ring/vq.h"\n'
    "/* to_guest_poll() sends it, lcore_ctl_port_add() does not. */\n"
    "int loan(void) { return vq_get(); }\n",
    "drivers/vsock/switch/to_guest.h": "int to_guest_poll(void);\n",
    "drivers/vsock/switch/to_guest.c": '#include "conn/loan.h"\n#include "switch/to_guest.h"\n'
    "int to_guest_poll(void) { return loan(); }\n",
    "drivers/vsock/switch/from_guest.h": "int from_guest_poll(void);\n",
    "drivers/vsock/switch/from_guest.c": '#include "switch/from_guest.h"\n'
    '#include "switch/to_guest.h"\nint\nfrom_guest_poll(void)\n{\n\treturn to_guest_poll();\n}\n',
    "drivers/vsock/loop/lcore_ctl.h": "struct lcore_ctl_stop;\n"
    "int lcore_ctl_port_add(int a,\n\tint b);\n",
    "drivers/vsock/loop/lcore_ctl.c": '#include "loop/lcore_ctl.h"\n'
    '#include "switch/from_guest.h"\n'
    '#include "vsock_limits.h"\n'
    "int lcore_ctl_port_add(int a, int b) { return from_guest_poll(); }\n",
    "drivers/vsock/life/vsock.h": "int vsock_start(void);\n",
    "drivers/vsock/life/vsock.c": '#include <rte_eal.h>\n#include "life/vsock.h"\n'
    '#include "loop/lcore_ctl.h"\n#include <wq.h>\n'
    "int vsock_start(void) { return lcore_ctl_port_add(1, 2) + wq_init(); }\n",
    "app/dpdk-vsockd/main.c": '#include "life/vsock.h"\nint main(void) { return vsock_start(); }\n',
    "app/dpdk-vsock-pktgen/main.c": '#include "vfe.h"\nint main(void) { return vfe_open(); }\n',
    "app/dpdk-vsock-pktgen/test/lo.c": '#include "ring/vq.h"\n',  # tests may use everything
}
STAND_IN = "rte_eal.h"  # the planted trees are compiled without DPDK


@pytest.fixture
def tree(tmp_path):
    made = planted.Tree(tmp_path, "check-layers.sh", "layers.py")
    for name, text in CLEAN.items():
        made.write(name, text)
    made.write(f"drivers/vsock/{STAND_IN}", "")
    made.git("rm", "-q", "--cached", f"drivers/vsock/{STAND_IN}")
    made.write(".gitignore", f"/build/\n{STAND_IN}\n")
    return made


def add_line(tree, name, line):
    path = tree.path / name
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}{line}\n", encoding="utf-8")
    return text.count("\n") + 1


def violations(tree, build=False):
    """Returns the lines that the check prints; it must fail."""
    status, output = tree.check("check-layers.sh", *([tree.build()] if build else []))
    assert status == 1, output
    return output.splitlines()


def test_passes_on_clean_tree(tree):
    assert tree.check("check-layers.sh") == (0, "")
    assert tree.check("check-layers.sh", tree.build()) == (0, "")


def test_names_upward_include(tree):
    line = add_line(tree, "drivers/vsock/ring/vq.h", '#include "conn/loan.h"')
    assert f"drivers/vsock/ring/vq.h:{line} includes conn/loan.h: ring is below conn" in violations(
        tree
    )


def test_names_circle_of_includes(tree):
    to_guest = add_line(tree, "drivers/vsock/switch/to_guest.h", '#include "switch/from_guest.h"')
    assert violations(tree) == [
        "drivers/vsock: circle of includes: switch/from_guest switch/to_guest",
        "  switch/from_guest includes switch/to_guest (drivers/vsock/switch/from_guest.c:3)",
        "  switch/to_guest includes switch/from_guest"
        f" (drivers/vsock/switch/to_guest.h:{to_guest})",
    ]


def test_names_circle_of_includes_in_flat_area(tree):
    tree.write("lib/vfe/vfe_ring.h", '#include "vfe.h"\n')
    add_line(tree, "lib/vfe/vfe.c", '#include "vfe_ring.h"')
    assert violations(tree)[0] == "lib/vfe: circle of includes: vfe vfe_ring"


def test_names_circle_of_calls(tree):
    # Prototypes of its own hide the circle from the includes.
    add_line(tree, "drivers/vsock/switch/to_guest.c", "int from_guest_poll(void);")
    add_line(tree, "drivers/vsock/switch/to_guest.c", "int end(void) { return from_guest_poll(); }")
    found = violations(tree, build=True)
    assert "drivers/vsock: circle of calls: switch/from_guest switch/to_guest" in found
    assert "  switch/to_guest links to switch/from_guest (from_guest_poll)" in found


def test_names_circle_of_calls_in_library(tree):
    add_line(tree, "lib/wq/init.c", "int wq_up(void) { return 0; }")
    add_line(tree, "lib/wq/os.c", "int wq_up(void);\nint wq_os(void) { return wq_up(); }")
    assert tree.check("check-layers.sh")[0] == 0
    assert violations(tree, build=True) == [
        "lib/wq: circle of calls: init os",
        "  init links to os (wq_hidden)",
        "  os links to init (wq_up)",
    ]


def test_names_upward_call(tree):
    add_line(tree, "drivers/vsock/ring/vq.c", "int loan(void);\nint up(void) { return loan(); }")
    assert "drivers/vsock/ring/vq.c links to loan of conn/loan.c: ring is below conn" in violations(
        tree, build=True
    )


@pytest.mark.parametrize("name", ["drivers/vsock/stray.c", "drivers/vsock/misc/stray.h"])
def test_names_file_outside_of_folders(tree, name):
    tree.write(name, "")
    assert violations(tree) == [f"{name}: outside of the folders of drivers/vsock"]


def test_names_include_without_folder(tree):
    line = add_line(tree, "drivers/vsock/ring/vq.c", '#include "vq.h"')
    assert violations(tree) == [
        f'drivers/vsock/ring/vq.c:{line} includes "vq.h" without its folder: "ring/vq.h"'
    ]


@pytest.mark.parametrize(
    "file, code, folder, function",
    [
        ("conn/loan.c", "int f(void) { return to_guest_poll(); }", "switch", "to_guest_poll"),
        ("switch/to_guest.c", "int (*f)(void) = from_guest_poll;", "loop", "from_guest_poll"),
        (
            "switch/to_guest.c",
            "int f(void) { return lcore_loop_main(0); }",
            "loop",
            "lcore_loop_main",
        ),
        ("conn/loan.h", "int g(int lcore_ctl_port_add);", "loop", "lcore_ctl_port_add"),
    ],
)
def test_names_scheduler_call(tree, file, code, folder, function):
    line = add_line(tree, f"drivers/vsock/{file}", code)
    assert violations(tree) == [
        f"drivers/vsock/{file}:{line} names {function}(): only {folder} and above may do so"
    ]


@pytest.mark.parametrize(
    "file, header, message",
    [
        ("lib/wq/os.c", "rte_ring.h", "lib/wq must not use DPDK"),
        ("lib/wq/os.c", "ring/vq.h", "lib/wq must not use drivers/vsock/ring"),
        ("lib/vfe/vfe.c", "rte_ring.h", "lib/vfe must not use DPDK"),
        ("lib/vfe/vfe.c", "ring/vq.h", "lib/vfe must not use drivers/vsock/ring"),
        ("lib/vfe/vfe.c", "vsock_limits.h", "lib/vfe must not use config"),
        ("lib/vfe/vfe.h", "options.h", "lib/vfe must not use app/dpdk-vsockd"),
        ("drivers/vsock/life/vsock.c", "options.h", "drivers/vsock must not use app/dpdk-vsockd"),
        ("drivers/vsock/life/vsock.c", "wq_internal.h", "not a public header of lib/wq"),
        ("app/dpdk-vsockd/main.c", "ring/vq.h", "app/dpdk-vsockd must not use drivers/vsock/ring"),
        (
            "app/dpdk-vsock-pktgen/main.c",
            "ring/vq.h",
            "app/dpdk-vsock-pktgen must not use drivers/vsock/ring",
        ),
    ],
)
def test_names_include_of_another_area(tree, file, header, message):
    tree.write("app/dpdk-vsockd/options.h", "")
    line = add_line(tree, file, f'#include "{header}"')
    assert f"{file}:{line} includes {header}: {message}" in violations(tree)


def test_names_dpdk_symbol(tree):
    add_line(tree, "lib/wq/os.c", "int rte_x(void);\nint wq_x(void) { return rte_x(); }")
    assert violations(tree, build=True) == ["lib/wq/os.c links to rte_x: lib/wq must not use DPDK"]


def test_names_file_of_no_target(tree):
    build = tree.build()
    tree.write("drivers/vsock/ring/unused.c", "")
    assert tree.check("check-layers.sh", build) == (
        1,
        "drivers/vsock/ring/unused.c: in no target of the build\n",
    )


def test_floors(tree):
    script = tree.path / "devtools/check-layers.sh"
    text = script.read_text(encoding="utf-8")
    floors = "lib/vfe floor vfe\nlib/vfe floor vfe_top\n"
    script.write_text(text.replace("\nRULES", f"\n{floors}RULES"), encoding="utf-8")
    tree.write("lib/vfe/vfe_top.h", '#include "vfe.h"\n')
    assert tree.check("check-layers.sh") == (0, "")
    tree.write("lib/vfe/other.h", "")
    line = add_line(tree, "lib/vfe/vfe.c", '#include "vfe_top.h"')
    found = violations(tree)
    assert "lib/vfe/other.h: on none of the floors of lib/vfe" in found
    assert f"lib/vfe/vfe.c:{line} includes vfe_top.h: vfe is below vfe_top" in found


def test_cannot_check_without_build(tree):
    status, output = tree.check("check-layers.sh", "none")
    assert status == 2
    assert "none/compile_commands.json: No such file or directory" in output
