"""Rules of the cell product: its codes and labels, its bags, and what must hold before one is given."""
