/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process has used of the processor, from /proc. schedstat counts nanoseconds for
 * each thread; children that were reaped are only in stat, in clock ticks.
 */
#pragma once

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct cpu_use {
	uint64_t run_ns;
	uint64_t turns;		/* times that one of its threads was put on a processor: no
				 * turn, no system call */
};

/* Read from parent and switch alike: add one thread's schedstat. */
static inline void cpu_add_thread(pid_t pid, const char *tid, struct cpu_use *use)
{
	char path[64];
	uint64_t run, waited, turns;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &run, &waited, &turns) == 3) {
		use->run_ns += run;
		use->turns += turns;
	}
	fclose(f);
}

static inline void cpu_add_reaped(pid_t pid, struct cpu_use *use)
{
	char path[64], line[1024];
	uint64_t user, sys;
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	/* fields 16 and 17, cutime and cstime; the name in field 2 may have spaces */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')')) &&
	    sscanf(p + 2, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
		   " %" SCNu64, &user, &sys) == 2)
		use->run_ns += (user + sys) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	fclose(f);
}

/* Add what pid has used so far, all threads. */
static inline void cpu_add(pid_t pid, struct cpu_use *use)
{
	struct dirent *entry;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		return;
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			cpu_add_thread(pid, entry->d_name, use);
	closedir(d);
	cpu_add_reaped(pid, use);
}

/* How long a processor has been idle, in ns of the kernel's clock ticks; 0 when unknown. */
static inline uint64_t cpu_idle_ns(int cpu)
{
	char line[512], word[16];
	uint64_t idle = 0, wait = 0;
	FILE *f = fopen("/proc/stat", "re");

	snprintf(word, sizeof(word), "cpu%d ", cpu);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, strlen(word)))
			sscanf(line, "%*s %*s %*s %*s %" SCNu64 " %" SCNu64, &idle, &wait);
	if (f)
		fclose(f);
	return (idle + wait) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Keep this process, and what it starts, on one processor. */
static inline int cpu_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}
