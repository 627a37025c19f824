/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>

#include "check.h"
#include "data/conn.h"

#define NB 512

static void
add_find_free(void)
{
	struct conn_table t;
	struct conn *c, *d;

	CHECK_EQ(conn_table_init(&t, 4), 0);
	CHECK(conn_find(&t, 1, 2, 3) == NULL);
	c = conn_add(&t, 1, 2, 3);
	d = conn_add(&t, 1, 2, 4);
	CHECK(c != NULL && d != NULL && c != d);
	CHECK(conn_find(&t, 1, 2, 3) == c);
	CHECK(conn_find(&t, 1, 2, 4) == d);
	/* Every part of the key counts. */
	CHECK(conn_find(&t, 2, 2, 3) == NULL);
	CHECK(conn_find(&t, 1, 3, 3) == NULL);
	CHECK(conn_find(&t, 3, 2, 1) == NULL);
	conn_free(&t, c);
	CHECK(conn_find(&t, 1, 2, 3) == NULL);
	CHECK(conn_find(&t, 1, 2, 4) == d);
	CHECK_EQ(t.nb_used, 1);
	conn_free(&t, d);
	conn_table_fini(&t);
}

static void
full_table(void)
{
	struct conn_table t;
	struct conn *c[3];

	CHECK_EQ(conn_table_init(&t, 3), 0);
	for (uint32_t i = 0; i < 3; i++)
		CHECK((c[i] = conn_add(&t, i, 2, 9)) != NULL);
	CHECK(conn_add(&t, 77, 2, 9) == NULL);
	conn_free(&t, c[1]);
	CHECK((c[1] = conn_add(&t, 77, 2, 9)) != NULL);
	CHECK(conn_add(&t, 78, 2, 9) == NULL);
	for (int i = 0; i < 3; i++)
		conn_free(&t, c[i]);
	conn_table_fini(&t);
}

/* A detached entry keeps its memory, and gives its address pair free. */
static void
detach(void)
{
	struct conn_table t;
	struct conn *c, *d;

	CHECK_EQ(conn_table_init(&t, 2), 0);
	c = conn_add(&t, 5, 2, 6);
	CHECK(conn_find(&t, 5, 2, 6) == c);
	conn_detach(&t, c);
	CHECK(conn_find(&t, 5, 2, 6) == NULL);
	CHECK_EQ(t.nb_used, 1);
	d = conn_add(&t, 5, 2, 6);
	CHECK(d != NULL && d != c);
	conn_free(&t, c);
	CHECK(conn_find(&t, 5, 2, 6) == d);
	conn_free(&t, d);
	CHECK_EQ(t.nb_used, 0);
	conn_table_fini(&t);
}

/* An entry that is used again starts from nothing. */
static void
fresh_entries(void)
{
	struct conn_table t;
	struct conn *c;

	CHECK_EQ(conn_table_init(&t, 1), 0);
	c = conn_add(&t, 1, 2, 3);
	c->tx_cnt = 7;
	c->state = CONN_OPEN;
	c->serial = 9;
	conn_free(&t, c);
	c = conn_add(&t, 4, 5, 6);
	CHECK_EQ(c->tx_cnt, 0);
	CHECK_EQ(c->state, CONN_NONE);
	CHECK_EQ(c->serial, 0);
	CHECK(!conn_has_data(c));
	conn_free(&t, c);
	conn_table_fini(&t);
}

/* Against a plain array, in a random order. */
static void
against_an_array(void)
{
	struct conn *model[NB] = {NULL};
	struct conn_table t;
	unsigned int seed = 1;

	CHECK_EQ(conn_table_init(&t, NB / 2), 0);
	for (int step = 0; step < 200000; step++) {
		uint32_t i = (unsigned int)rand_r(&seed) % NB;

		CHECK(conn_find(&t, i / 8, 2, i % 8) == model[i]);
		if (model[i] == NULL) {
			bool full = t.nb_used == NB / 2;

			model[i] = conn_add(&t, i / 8, 2, i % 8);
			CHECK_EQ(model[i] == NULL, full);
		} else if (rand_r(&seed) % 2 == 0) {
			conn_free(&t, model[i]);
			model[i] = NULL;
		}
	}
	conn_table_fini(&t);
}

int
main(void)
{
	RUN(add_find_free);
	RUN(full_table);
	RUN(detach);
	RUN(fresh_entries);
	RUN(against_an_array);
	return 0;
}
