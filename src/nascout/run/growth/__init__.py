"""Growing a model as a run: queues of steps, an engine that does them, a store that keeps them."""
