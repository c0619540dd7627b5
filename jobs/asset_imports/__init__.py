"""Reading what is imported into asset spaces: manifests, archives, what platforms export, and their reports."""
