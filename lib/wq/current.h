/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WQ_CURRENT_H
#define WQ_CURRENT_H

#include "types.h"

/** The worker or rescuer whose thread this is; NULL in other threads. */
extern __thread struct wq_worker *wq_current;

#endif
