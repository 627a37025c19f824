/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>

#include "cpu_list.h"
#include "eal_args.h"
#include "log_stream.h"

#define HUGE_PAGES_DIR "/sys/kernel/mm/hugepages"
#define DEFAULT_MIB    256 /* enough for three poll lcores */
#define MIB_PER_LCORE  64  /* for each further one */
#define DEFAULT_PREFIX "vsockd"

/* What the user has said. */
struct given {
	const char *cores;   /* value of -l */
	int cores_at[2];     /* its first and last argument */
	const char *prefix;  /* value of --file-prefix */
	bool has_cores;      /* any option about lcores */
	bool has_memory;     /* any option about memory */
	bool has_devices;    /* any option that selects devices */
	bool cores_replaced; /* -l is not passed on */
};

/* ---- the list ---- */

/* Append a formatted argument. @return 0; -ENOMEM. */
__attribute__((format(printf, 2, 3))) static int
add(struct eal_args *args, const char *fmt, ...)
{
	char **strings = realloc(args->strings, ((size_t)args->argc + 2) * sizeof(*strings));
	va_list ap;
	int len;

	if (strings == NULL)
		return -ENOMEM;
	args->strings = strings;
	va_start(ap, fmt);
	len = vasprintf(&strings[args->argc], fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	strings[++args->argc] = NULL;
	return 0;
}

void
eal_args_free(struct eal_args *args)
{
	for (int i = 0; i < args->argc; i++)
		free(args->strings[i]);
	free(args->strings);
	free(args->argv);
	memset(args, 0, sizeof(*args));
}

/* ---- what was given ---- */

/*
 * The value of an option at argv[*i]: "-lVALUE", "-l VALUE", "--long=VALUE" or "--long VALUE". Then
 * *i is the index of its last argument. NULL: argv[*i] is another option, or has no value.
 */
static const char *
value_of(int argc, char *const *argv, int *i, const char *name)
{
	const size_t len = strlen(name);
	const char *arg = argv[*i];

	if (strncmp(arg, name, len) != 0)
		return NULL;
	if (arg[len] == '\0')
		return *i + 1 < argc ? argv[++*i] : NULL;
	if (name[1] != '-')
		return arg + len;
	return arg[len] == '=' ? arg + len + 1 : NULL;
}

static bool
is_one_of(const char *arg, const char *const *names)
{
	for (; *names != NULL; names++) {
		const size_t len = strlen(*names);

		if (strncmp(arg, *names, len) == 0 &&
			((*names)[1] != '-' || arg[len] == '\0' || arg[len] == '='))
			return true;
	}
	return false;
}

static void
look_at(int argc, char *const *argv, struct given *given)
{
	static const char *const memory[] = {"--in-memory", "--no-huge", "-m", "--socket-mem",
		"--huge-dir", "--huge-unlink", "--single-file-segments", "--legacy-mem", NULL};
	static const char *const devices[] = {"--no-pci", "--allow", "--block", "-a", "-b", NULL};
	static const char *const cores[] = {"-l", "-c", "--lcores", "-s", NULL};

	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value;
		const int first = i;

		given->has_memory = given->has_memory || is_one_of(arg, memory);
		given->has_devices = given->has_devices || is_one_of(arg, devices);
		given->has_cores = given->has_cores || is_one_of(arg, cores);
		value = value_of(argc, argv, &i, "-l");
		if (value != NULL) {
			given->cores = value;
			given->cores_at[0] = first;
			given->cores_at[1] = i;
			continue;
		}
		value = value_of(argc, argv, &i, "--file-prefix");
		if (value != NULL)
			given->prefix = value;
	}
}

/* ---- lcores ---- */

/*
 * Replace -l if it names CPUs that the process may not use, because EAL would refuse it.
 * Returns the number of lcores; 0: EAL decides; -EINVAL; -ENOMEM.
 */
static int
add_listed_lcores(struct eal_args *args, struct given *given, bool spin, const cpu_set_t *allowed)
{
	char map[4096] = "", missing_text[256], allowed_text[256];
	int cpus[CPU_SETSIZE], nb_cpus = 0, nb = 0;
	cpu_set_t wanted, missing;
	size_t len = 0;

	if (cpu_list_parse(given->cores, &wanted) != 0)
		return 0; /* EAL says why */
	CPU_ZERO(&missing);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, allowed))
			cpus[nb_cpus++] = cpu;
		else if (CPU_ISSET(cpu, &wanted))
			CPU_SET(cpu, &missing);
	}
	if (CPU_COUNT(&missing) == 0)
		return CPU_COUNT(&wanted);
	cpu_list_format(&missing, missing_text, sizeof(missing_text));
	cpu_list_format(allowed, allowed_text, sizeof(allowed_text));
	if (spin) {
		log_stream_line(LOG_ERR,
			"-l %s: the process may not use CPU %s, and --idle spin needs a CPU "
			"for each lcore (use CPUs of %s, or --idle adaptive)",
			given->cores, missing_text, allowed_text);
		return -EINVAL;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && len < sizeof(map); cpu++) {
		if (!CPU_ISSET(cpu, &wanted))
			continue;
		len += (size_t)snprintf(map + len, sizeof(map) - len, "%s%d@%d", nb > 0 ? "," : "",
			cpu, CPU_ISSET(cpu, allowed) ? cpu : cpus[nb % nb_cpus]);
		nb++;
	}
	log_stream_line(LOG_WARNING,
		"-l %s: the process may not use CPU %s: the lcores share CPU %s (--lcores %s)",
		given->cores, missing_text, allowed_text, map);
	given->cores_replaced = true;
	return add(args, "--lcores") == 0 && add(args, "%s", map) == 0 ? nb : -ENOMEM;
}

/* The first CPU for the main lcore, the second one, if there is one, for the poll lcore. */
static int
add_default_lcores(struct eal_args *args, const cpu_set_t *allowed)
{
	int cpus[2] = {0, 0}, nb = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE && nb < 2; cpu++) {
		if (CPU_ISSET(cpu, allowed))
			cpus[nb++] = cpu;
	}
	if (nb < 2)
		cpus[1] = cpus[0];
	return add(args, "--lcores") == 0 && add(args, "0@%d,1@%d", cpus[0], cpus[1]) == 0
		? 2
		: -ENOMEM;
}

/* ---- memory ---- */

static uint64_t
free_huge_mib(void)
{
	DIR *dir = opendir(HUGE_PAGES_DIR);
	struct dirent *entry;
	uint64_t mib = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		unsigned long long kib, nb;
		char path[320];
		FILE *file;

		if (sscanf(entry->d_name, "hugepages-%llukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), HUGE_PAGES_DIR "/%s/free_hugepages", entry->d_name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%llu", &nb) == 1)
			mib += nb * kib / 1024;
		fclose(file);
	}
	closedir(dir);
	return mib;
}

static int
add_memory(struct eal_args *args, int nb_lcores)
{
	const int mib = DEFAULT_MIB + (nb_lcores > 4 ? (nb_lcores - 4) * MIB_PER_LCORE : 0);

	if (free_huge_mib() >= (uint64_t)mib)
		return add(args, "--in-memory");
	log_stream_line(LOG_NOTICE,
		"memory: less than %d MiB of huge pages are free: using --no-huge -m %d", mib, mib);
	return add(args, "--no-huge") == 0 && add(args, "-m") == 0 && add(args, "%d", mib) == 0
		? 0
		: -ENOMEM;
}

/* ---- file prefix ---- */

/* The folder in which EAL keeps the files of a prefix. */
static void
runtime_path(char *path, size_t len, const char *prefix, const char *file)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL && getuid() == 0)
		base = "/var/run";
	if (base == NULL)
		base = getenv("XDG_RUNTIME_DIR");
	snprintf(path, len, "%s/dpdk/%s/%s", base == NULL ? "/tmp" : base, prefix, file);
}

/*
 * A primary process holds a lock on its file "config", and listens on the socket of telemetry,
 * which is there with --in-memory, too.
 */
static bool
prefix_in_use(const char *prefix)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char path[4096];
	bool used = false;
	int fd;

	runtime_path(path, sizeof(path), prefix, "config");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		used = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
		close(fd);
	}
	runtime_path(path, sizeof(path), prefix, "dpdk_telemetry.v2");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !used && strlen(path) < sizeof(addr.sun_path)) {
		strcpy(addr.sun_path, path);
		used = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
	}
	if (fd >= 0)
		close(fd);
	return used;
}

static int
add_prefix(struct eal_args *args, const struct given *given)
{
	if (given->prefix != NULL) {
		snprintf(args->prefix, sizeof(args->prefix), "%s", given->prefix);
		if (!prefix_in_use(given->prefix))
			return 0;
		log_stream_line(LOG_ERR,
			"--file-prefix %s: another DPDK process uses it (choose another one)",
			given->prefix);
		return -EBUSY;
	}
	snprintf(args->prefix, sizeof(args->prefix), DEFAULT_PREFIX);
	if (prefix_in_use(args->prefix))
		snprintf(args->prefix, sizeof(args->prefix), DEFAULT_PREFIX "-%d", (int)getpid());
	return add(args, "--file-prefix") == 0 && add(args, "%s", args->prefix) == 0 ? 0 : -ENOMEM;
}

int
eal_args_make(
	int argc, char *const *argv, bool spin, const cpu_set_t *allowed, struct eal_args *out)
{
	struct given given = {0};
	int ret = 0, nb_lcores = 0;

	memset(out, 0, sizeof(*out));
	look_at(argc, argv, &given);
	ret = add(out, "%s", argv[0]);
	if (ret == 0 && !given.has_devices)
		ret = add(out, "--no-pci");
	/* DPDK 22.11 warns at each start that there are no commands of an older protocol. */
	if (ret == 0)
		ret = add(out, "--log-level=lib.telemetry:error");
	if (ret == 0 && given.cores != NULL)
		nb_lcores = add_listed_lcores(out, &given, spin, allowed);
	else if (ret == 0 && !given.has_cores)
		nb_lcores = add_default_lcores(out, allowed);
	if (ret == 0 && nb_lcores < 0)
		ret = nb_lcores;
	if (ret == 0 && !given.has_memory)
		ret = add_memory(out, nb_lcores);
	if (ret == 0)
		ret = add_prefix(out, &given);
	for (int i = 1; i < argc && ret == 0; i++) {
		if (!given.cores_replaced || i < given.cores_at[0] || i > given.cores_at[1])
			ret = add(out, "%s", argv[i]);
	}
	if (ret != 0)
		return ret;
	out->argv = malloc(((size_t)out->argc + 1) * sizeof(*out->argv));
	if (out->argv == NULL)
		return -ENOMEM;
	memcpy(out->argv, out->strings, ((size_t)out->argc + 1) * sizeof(*out->argv));
	return 0;
}

void
eal_args_share_runtime(void)
{
	const char *folder = rte_eal_get_runtime_dir();
	const mode_t mask = umask(0);
	char parent[PATH_MAX];

	umask(mask);
	if ((mask & S_IWGRP) != 0)
		return;
	snprintf(parent, sizeof(parent), "%s/..", folder);
	(void)!chmod(parent, S_IRWXU | S_IRGRP | S_IXGRP);
	(void)!chmod(folder, S_IRWXU | S_IRGRP | S_IXGRP);
}
