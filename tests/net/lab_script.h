/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each node of a lab is to be told when it comes up, collected first and then done on all
 * nodes at once: batches for ip(8), rules for nft(8). For lab.c and lab_wire.c.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "lab.h"

enum script_stage {
	SCRIPT_LINKS,		/* pairs of interfaces, made by the parent of the two */
	SCRIPT_SETUP,
	SCRIPT_STAGES,
};

struct scripts {
	FILE *file[SCRIPT_STAGES][LAB_NODES];
	char *text[SCRIPT_STAGES][LAB_NODES];
	size_t len[SCRIPT_STAGES][LAB_NODES];
};

/* 0 or -ENOMEM; scripts_free() or scripts_run() is needed either way. */
int scripts_begin(struct scripts *s);
void script_line(struct scripts *s, enum lab_node node, enum script_stage stage,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Do it all, and free s, either way. 0 or -errno with lab->why. */
int scripts_run(struct scripts *s, struct lab *lab);
void scripts_free(struct scripts *s);

/* What makes a node a router (lab.c). */
void lab_rules(const struct lab *lab, enum lab_node node, FILE *out);
/* Make it one, by nft. 0 or -errno (lab_script.c). */
int lab_rules_load(struct lab *lab, enum lab_node node);
