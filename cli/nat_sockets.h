/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A survey of the host's NATs (libintro/punch/survey.h) on real sockets. For `intro nat`.
 */
#pragma once

#include "../libintro/punch/survey.h"

/* Runs a whole survey. config's seed and locals are set here: random bytes, and the addresses of
 * this host's interfaces. 0 and what was found, or a negative errno. */
int nat_survey(struct survey_config *config, struct nat *ret);
