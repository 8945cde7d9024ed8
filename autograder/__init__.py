"""The nbgrader course: assignments as text, their builder, the checks, the engine that grades, the sample class."""
