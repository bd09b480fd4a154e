//! A game loop: entities are native types that scripts move, and the script is loaded anew when its file changes.
//!
//! `cargo run --release -p example-hosts --bin game [SCRIPT [FRAMES]]`
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the game shows itself on the terminal")]
#![expect(clippy::needless_pass_by_value, reason = "arguments are given away")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use aether::{
    AetherType, Engine, Error, Function, ModuleBuilder, Object, Program, SystemHost, Value, methods,
};

/// Something that moves.
#[derive(AetherType)]
#[aether(methods, key = "name")]
pub struct Entity {
    #[aether(readonly)]
    /// What it is called.
    pub name: String,
    /// Where it is, from the left.
    pub x: f64,
    /// Where it is, from above.
    pub y: f64,
    /// How fast it moves to the right.
    pub dx: f64,
    /// How fast it moves down.
    pub dy: f64,
}

#[methods]
impl Entity {
    /// An entity at a place, with a speed.
    pub fn new(name: String, x: f64, y: f64, dx: f64, dy: f64) -> Self {
        Self { name, x, y, dx, dy }
    }

    /// How far another one is.
    ///
    /// # Errors
    /// The other one is being moved.
    pub fn distance(&self, other: Object<Self>) -> Result<f64, Error> {
        let other = other.borrow()?;
        Ok((self.x - other.x).hypot(self.y - other.y))
    }
}

/// All entities.
#[derive(AetherType, Default)]
#[aether(methods)]
pub struct World {
    entities: Vec<Object<Entity>>,
}

#[methods]
impl World {
    /// Another entity.
    pub fn add(&mut self, entity: Object<Entity>) {
        self.entities.push(entity);
    }
}

/// What the script says of a frame.
struct Rules {
    spawn: Function<(Object<World>,), ()>,
    update: Function<(Object<Entity>, f64), ()>,
    collide: Function<(Object<Entity>, Object<Entity>), Option<String>>,
}

/// The game with its script.
struct Game {
    engine: Engine,
    world: Object<World>,
    rules: Rules,
    path: PathBuf,
    loaded: Option<SystemTime>,
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|found| found.modified()).ok()
}

fn rules(engine: &mut Engine, path: &Path) -> Result<Rules, Error> {
    let path = path.to_string_lossy().into_owned();
    let text = engine.read(&path)?;
    // Each text has globals of its own: what lasts is in the host's entities.
    let program = Program::from_file(path, text)?;
    program.run::<Value>(engine)?;
    Ok(Rules {
        spawn: program.function(engine, "spawn")?,
        update: program.function(engine, "update")?,
        collide: program.function(engine, "collide")?,
    })
}

impl Game {
    fn new(path: PathBuf) -> Result<Self, Error> {
        let mut engine = Engine::builder()
            .host(SystemHost::new())
            .max_memory(Some(32 << 20))
            .timeout(Some(Duration::from_millis(200)))
            .build()?;
        engine.register_module("game", ModuleBuilder::native_type::<Entity>)?;
        let world = Object::new(engine.heap(), World::default())?;
        let loaded = changed(&path);
        let rules = rules(&mut engine, &path)?;
        rules.spawn.call(&mut engine, (world.clone(),))?;
        // Cycles are collected between frames.
        engine.heap().set_auto_collect(false);
        Ok(Self {
            engine,
            world,
            rules,
            path,
            loaded,
        })
    }

    /// Loads the script anew if its file has changed. What is wrong with the new one is told, and the old one goes on.
    fn reload(&mut self) -> Option<String> {
        let now = changed(&self.path);
        if now == self.loaded {
            return None;
        }
        self.loaded = now;
        match rules(&mut self.engine, &self.path) {
            Ok(rules) => {
                self.rules = rules;
                Some("reloaded".to_owned())
            }
            Err(error) => Some(error.render()),
        }
    }

    /// One frame; gives what happened.
    fn frame(&mut self, seconds: f64) -> Result<Vec<String>, Error> {
        let entities = self.world.borrow()?.entities.clone();
        for entity in &entities {
            self.rules
                .update
                .call(&mut self.engine, (entity.clone(), seconds))?;
        }
        let mut events = Vec::new();
        for (at, one) in entities.iter().enumerate() {
            for other in &entities[at + 1..] {
                let hit = self
                    .rules
                    .collide
                    .call(&mut self.engine, (one.clone(), other.clone()))?;
                events.extend(hit);
            }
        }
        self.engine.collect_step(Duration::from_millis(1));
        Ok(events)
    }
}

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/game.ae");
    let path = PathBuf::from(words.next().unwrap_or_else(|| default.to_owned()));
    let frames = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1000_u32);
    let mut game = Game::new(path)?;
    let begun = Instant::now();
    for number in 0..frames {
        if let Some(news) = game.reload() {
            println!("frame {number}: {news}");
        }
        for event in game.frame(1.0 / 60.0)? {
            println!("frame {number}: {event}");
        }
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(frames);
    println!("{frames} frames, {each:.1} µs each");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_script_takes_over_and_a_broken_one_does_not() {
        let path = std::env::temp_dir().join(format!("aether-game-{}.ae", std::process::id()));
        let script = include_str!("../../scripts/game.ae");
        std::fs::write(&path, script).unwrap();
        let mut game = Game::new(path.clone()).unwrap();
        let x = |game: &Game| game.world.borrow().unwrap().entities[0].borrow().unwrap().x;
        game.frame(1.0).unwrap();
        assert_eq!(x(&game), 40.0);
        let later = |seconds| {
            std::fs::File::open(&path)
                .unwrap()
                .set_modified(SystemTime::now() + Duration::from_secs(seconds))
                .unwrap();
        };
        std::fs::write(&path, script.replace("entity.x += ", "entity.x -= 2 + 0 * ")).unwrap();
        later(10);
        assert_eq!(game.reload().unwrap(), "reloaded");
        game.frame(1.0).unwrap();
        assert_eq!(x(&game), 38.0);
        std::fs::write(&path, "fn update(entity, seconds) { return nothing(").unwrap();
        later(20);
        assert!(game.reload().unwrap().starts_with("Error: "));
        game.frame(1.0).unwrap();
        assert_eq!(x(&game), 36.0);
        std::fs::remove_file(&path).unwrap();
    }
}
