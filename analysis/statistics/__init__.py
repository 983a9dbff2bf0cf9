"""Statistical methods: arrays of moments in, frozen results of arrays out; one method a module."""
