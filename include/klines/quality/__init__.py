"""How complete what is stored is, which holes it has and why, and what in it looks wrong."""
